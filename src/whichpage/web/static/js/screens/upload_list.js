// The uploads above the books: how far each has come, and why one failed.
import { detail } from "../detail.js";
import { fill, h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { speak } from "../notices.js";
import { allUploads, dismiss, onUpload } from "../uploads.js";

/** The list of uploads, which keeps itself up to date: {element, destroy}. */
export function uploadList() {
  const list = h("ul.uploads");
  const element = h("section.upload-section", { "aria-label": t.uploads }, h("h2", {}, t.uploads), list);
  const rows = new Map();
  const refresh = (changed) => {
    const uploads = allUploads();
    for (const upload of uploads) if (!rows.has(upload)) rows.set(upload, uploadRow(upload));
    if (changed) rows.get(changed)?.update();
    // Only what is new or gone is moved: a row that stays keeps its focus.
    for (const [upload, one] of rows) {
      if (uploads.includes(upload)) continue;
      one.element.remove();
      rows.delete(upload);
    }
    for (const upload of [...uploads].reverse()) {
      const { element: row } = rows.get(upload);
      if (row.parentNode !== list) list.insertBefore(row, list.firstChild); // the latest on top
    }
    element.hidden = uploads.length === 0;
  };
  refresh(null);
  return { element, destroy: onUpload(refresh) };
}

function uploadRow(upload) {
  const bar = h("progress", { "aria-label": upload.name, max: 1 });
  const state = h("span.small.numbers");
  const reason = h("div.small.reason");
  const away = h(
    "button.round-button",
    { type: "button", "aria-label": `${t.dismiss}: ${upload.name}`, onclick: () => dismiss(upload) },
    icon("close"),
  );
  const element = h(
    "li.upload",
    {},
    h("div.upload-words", {}, h("strong", {}, upload.name), state, reason),
    away,
    bar,
  );
  let ended = false;
  const update = () => {
    element.dataset.phase = upload.phase;
    state.textContent = stateText(upload);
    const why = upload.error ?? (upload.phase === "done" && upload.detail ? t.uploadIncomplete : null);
    fill(reason, why && h("p", {}, why), detail(upload.detail));
    reason.hidden = !reason.firstChild;
    const fraction = progress(upload);
    if (fraction === null) bar.removeAttribute("value");
    else bar.value = fraction;
    const end = ["done", "failed", "lost"].includes(upload.phase);
    bar.hidden = end;
    away.hidden = !end;
    if (end && !ended) speak(`${upload.name}: ${stateText(upload)}`);
    ended = end;
  };
  update();
  return { element, update };
}

/** How far it is, 0 to 1; null while that is not known. */
function progress(upload) {
  if (upload.phase === "sending") return upload.fraction;
  if (upload.phase === "indexing" && upload.total) return upload.done / upload.total;
  return null;
}

function stateText(upload) {
  if (upload.phase === "sending") return t.uploadSending(Math.round(upload.fraction * 100));
  if (upload.phase === "queued") return t.uploadQueued;
  if (upload.phase === "done") return upload.known ? t.uploadKnown : t.uploadDone;
  if (upload.phase === "failed") return t.uploadFailed;
  if (upload.phase === "lost") return t.uploadLost;
  if (!upload.total) return t.uploadReading;
  const left = upload.left === null ? [] : [t.uploadLeft(Math.ceil(upload.left))];
  return [t.uploadIndexing(upload.done, upload.total), ...left].join(" · ");
}
