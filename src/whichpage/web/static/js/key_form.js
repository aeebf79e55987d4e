// A field for the access key, where the page has none: an installed app cannot be opened by the QR code.
import { letIn } from "./api.js";
import { h } from "./dom.js";
import { explain, t } from "./i18n.js";

/** A form that takes the key or the link that carries it; calls back once it has let the reader in. */
export function keyForm(entered) {
  const field = h("input.copy-field", {
    id: "access-key",
    type: "text",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
  });
  const wrong = h("p.small", { role: "alert", hidden: true });
  const button = h("button.button.primary", {}, t.keyOpen);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.hidden = true;
    try {
      if (await letIn(field.value)) return void entered();
      wrong.textContent = t.keyWrong;
    } catch (error) {
      wrong.textContent = explain(error);
    }
    wrong.hidden = button.disabled = false;
    field.focus();
  };
  return h(
    "form.key-form",
    { onsubmit: submit },
    h("label.small", { for: "access-key" }, t.keyLabel),
    field,
    button,
    wrong,
  );
}
