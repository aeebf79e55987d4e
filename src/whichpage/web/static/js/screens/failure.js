// A screen that cannot be shown says why.
import { Unreachable } from "../api.js";
import { reachable } from "../connection.js";
import { detail } from "../detail.js";
import { h, icon } from "../dom.js";
import { detailOf, explain, t } from "../i18n.js";
import { keyForm } from "../key_form.js";

/** A screen in place of one: why it cannot be shown, and a way on. Comes back by itself with the server. */
export function failure(error, text = null) {
  const gone = error instanceof Unreachable;
  const said = text ?? (gone ? t.offline : explain(error));
  const again = () => window.dispatchEvent(new HashChangeEvent("hashchange"));
  const element = h(
    "div.empty",
    {},
    icon(gone ? "offline" : "warning"),
    h("h1", { tabindex: -1 }, said),
    error && detail(detailOf(error)),
    error?.status === 401 ? keyForm(again) : null,
    error
      ? h("button.button", { type: "button", onclick: again }, t.retry)
      : h("a.button", { href: "#/library" }, t.tabLibrary),
  );
  if (gone) reachable().then(() => element.isConnected && again());
  return { element, title: said };
}
