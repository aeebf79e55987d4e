// Something as large as the screen, to be scrolled and pinched.
import { append, h, icon } from "./dom.js";
import { t } from "./i18n.js";

/** Shows an element in a dialog over everything. */
export function enlarged(content, label) {
  const dialog = h(
    "dialog.enlarged",
    { "aria-label": label, onclose: () => dialog.remove() },
    h("div.enlarged-scroll", { tabindex: 0, role: "group", "aria-label": label }, content),
    h(
      "form",
      { method: "dialog" },
      h("button.round-button", { "aria-label": t.close, autofocus: true }, icon("close")),
    ),
  );
  append(document.body, dialog);
  dialog.showModal();
}
