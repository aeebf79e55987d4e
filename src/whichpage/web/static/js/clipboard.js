// Copying, also where the page is served without TLS and the browser has no clipboard for it.
import { append, h } from "./dom.js";
import { t } from "./i18n.js";
import { notice } from "./notices.js";

/** Copies a text and says so; where nothing helps, shows it to be copied by hand. */
export async function copy(text, said) {
  if ((await withClipboard(text)) || withSelection(text)) notice(said);
  else byHand(text);
}

async function withClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // No secure context, or not allowed.
  }
}

function withSelection(text) {
  const field = h("textarea.visually-hidden", { readonly: true, "aria-hidden": "true", tabindex: -1 });
  field.value = text;
  const focused = document.activeElement;
  append(document.body, field);
  field.focus();
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}

function byHand(text) {
  const field = h("input.copy-field", { readonly: true, "aria-label": t.linkByHand, value: text });
  const dialog = h(
    "dialog",
    { "aria-label": t.linkByHand, onclose: () => dialog.remove() },
    h("h2", {}, t.linkByHand),
    field,
    h("form.dialog-buttons", { method: "dialog" }, h("button.button.primary", {}, t.close)),
  );
  append(document.body, dialog);
  dialog.showModal();
  field.select();
}
