// A button that chooses files: a file input that fills it, so that keyboard and screen reader know it.
import { h, icon } from "./dom.js";

/**
 * @param {{label: string, sign: string, looks: string, accept: string, multiple: boolean, capture?: string,
 *   bare?: boolean}} given `looks`: the classes it looks by; `bare`: the icon alone is seen
 * @param {(files: File[]) => void} chosen
 */
export function filePicker({ label, sign, looks, accept, multiple, capture = null, bare = false }, chosen) {
  const input = h("input.picker-input", {
    type: "file",
    accept,
    multiple,
    capture,
    "aria-label": label,
    onchange: () => {
      chosen([...input.files]);
      input.value = ""; // so that the same file may be chosen again
    },
  });
  return h(
    "label.picker",
    {},
    input,
    h(`span.${looks}`, { "aria-hidden": "true" }, icon(sign), bare ? null : label),
  );
}
