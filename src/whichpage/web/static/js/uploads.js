// Books on their way into the library. They go on while other screens are shown.
import { addBook, followJob, job as askFor, jobs, pause, Unreachable } from "./api.js";
import { reachable } from "./connection.js";
import { detailOf, explain, t } from "./i18n.js";

/**
 * An upload: {name, job, phase, fraction, done, total, left, known, error, detail}; phase is "sending", "queued",
 * "indexing", "done", "failed" or, where it is not known what became of it, "lost", and the queue holds those that wait
 * for the line as "queued" too.
 */
const uploads = [];
const AGAIN = 1; // seconds before a job whose stream was refused is asked for
const listeners = new Set();
let line = Promise.resolve(); // one file is sent at a time; the others wait
// The server indexes one after the other, and so they are followed: an open stream each would take all of the few
// connections that a browser has for a server.
let following = Promise.resolve();

/** All uploads that have not been dismissed, the latest first. */
export const allUploads = () => uploads;

/** Calls back with an upload whenever it changes, and with null when one is dismissed; returns how to stop. */
export function onUpload(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(upload, news) {
  Object.assign(upload, news);
  for (const listener of listeners) listener(upload);
}

const begin = (name, news = {}) => {
  const upload = { name, job: null, phase: "queued", fraction: 0, done: 0, total: 0, left: null, ...news };
  uploads.unshift(upload);
  change(upload, {});
  return upload;
};

/** Adds files to the library, one after the other. */
export function add(files) {
  for (const file of files) {
    const upload = begin(file.name);
    line = line.then(() => send(file, upload));
  }
}

async function send(file, upload) {
  change(upload, { phase: "sending" });
  try {
    const job = await addBook(file, {
      onSent: (fraction) => change(upload, { phase: "sending", fraction }),
      onWait: () => change(upload, { phase: "queued" }),
    });
    change(upload, { job: job.id, ...stateOf(job) });
    follow(upload, job);
  } catch (error) {
    failed(upload, error);
  }
}

const stateOf = (job) => ({
  phase: job.state,
  done: job.pages_done,
  total: job.pages_total,
  left: job.seconds_left,
  book: job.book,
  known: job.known,
  detail: job.error,
});

/** Keeps an upload as its job is, to the job's end. */
function follow(upload, job) {
  if (job.state === "done" || job.state === "failed") return;
  following = following
    .then(() => toTheEnd(upload, job))
    .catch((error) => (error.status === 404 ? change(upload, { phase: "lost" }) : failed(upload, error)));
}

/** Follows a job, also past the end of a stream that ends without it, as when the server was started anew. */
async function toTheEnd(upload, job) {
  const heard = (now) => change(upload, stateOf(now));
  while (job.state !== "done" && job.state !== "failed") {
    try {
      job = await followJob(job.events, heard);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      await pause(AGAIN);
      job = await stateOnceReached(job.id);
      heard(job);
    }
  }
}

async function stateOnceReached(id) {
  for (;;) {
    try {
      return await askFor(id);
    } catch (error) {
      if (error instanceof Unreachable) await reachable();
      else if (error.status === 503) await pause(error.retryAfter);
      else throw error;
    }
  }
}

function failed(upload, error) {
  const text = error instanceof Unreachable ? t.uploadLost : explain(error);
  change(upload, { phase: "failed", error: text, detail: detailOf(error) });
}

/** Takes up the jobs that the server has and this page does not know, as after it was loaded again. */
export async function adoptJobs() {
  const known = new Set(uploads.map((upload) => upload.job));
  for (const job of (await jobs()).reverse()) {
    if (known.has(job.id) || job.state === "done" || dismissed.has(job.id)) continue;
    follow(begin(job.name, { job: job.id, ...stateOf(job) }), job);
  }
}

const dismissed = new Set();

/** Takes an upload that has ended off the list. */
export function dismiss(upload) {
  dismissed.add(upload.job);
  uploads.splice(uploads.indexOf(upload), 1);
  for (const listener of listeners) listener(null);
}
