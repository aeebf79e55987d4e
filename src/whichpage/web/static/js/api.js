// The HTTP API, as far as the page uses it. Nothing else talks to the server.
const API = "/api/v1";
const MOST_WAITS = 30;
const HEALTH_PATIENCE = 5000; // milliseconds; a computer that fell asleep never answers

/** What the server said no with: problem+json, as an error. */
export class ApiError extends Error {
  constructor(status, said, statusText, retryAfter) {
    super(said.detail || said.title || statusText);
    this.status = status;
    this.kind = said.type?.split(":").at(-1); // "file-changed", say: one status may stand for several problems
    this.detail = said.detail;
    this.retryAfter = retryAfter;
  }
}

/** The server cannot be reached. */
export class Unreachable extends Error {}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path.startsWith("/") ? path : `${API}/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(error.message);
  }
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response) {
  const said = await response.json().catch(() => ({}));
  const wait = retryAfter(response.headers.get("Retry-After"));
  return new ApiError(response.status, said, response.statusText, wait);
}

/** Seconds of a Retry-After header, which may be a number or a date. */
function retryAfter(value) {
  if (!value) return 2;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(1, seconds);
  return Math.max(1, Math.ceil((Date.parse(value) - Date.now()) / 1000) || 2);
}

export const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    });
  });

/**
 * Which page a photo shows. A busy server is asked again when it said so.
 * @param {Blob} photo
 * @param {{name: string, signal?: AbortSignal, onWait?: (seconds: number) => void}} how
 * @returns the answer, as in the API
 */
export async function find(photo, { name, signal, onWait }) {
  for (let attempt = 1; ; attempt++) {
    const body = new FormData();
    body.append("photo", photo, name);
    try {
      return await (await request("find", { method: "POST", body, signal })).json();
    } catch (error) {
      if (error.status !== 503 || attempt === MOST_WAITS) throw error;
      onWait?.(error.retryAfter);
      await pause(error.retryAfter, signal);
    }
  }
}

/**
 * Gives the server its key, or the link that carries it; the browser keeps the key from then on.
 * @param {string} text
 * @returns {Promise<boolean>} whether the server knows the key
 */
export async function letIn(text) {
  const key = /[?&]key=([^&#\s]+)/.exec(text)?.[1] ?? text.trim();
  await request(`/?key=${encodeURIComponent(key)}`, { cache: "no-store" });
  return anyBook().then(
    () => true,
    (error) => {
      if (error.status === 401) return false;
      throw error;
    },
  );
}

export const books = async () => (await (await request("books")).json()).books;

/** Whether the library has any book. */
export const anyBook = async () => (await (await request("books?count=1")).json()).books.length > 0;

export const book = async (id) => (await request(`books/${id}`)).json();

/** The uploads that the server knows of, the latest first. */
export const jobs = async () => (await (await request("jobs")).json()).jobs;

/** One of them. */
export const job = async (id) => (await request(`jobs/${id}`)).json();

export const removeBook = (id) => request(`books/${id}`, { method: "DELETE" });

export const pageText = async (id, page, signal) =>
  (await (await request(`books/${id}/pages/${page}/text`, { signal })).json()).text;

// A few widths only, so that the browser's cache is of use.
const WIDTHS = [160, 320, 640, 960, 1280, 1920];

/** Where the picture of a page is, wide enough for so many CSS pixels on this screen. */
export function pageImage(id, page, cssWidth) {
  const wanted = cssWidth * Math.min(window.devicePixelRatio || 1, 2.5);
  const width = WIDTHS.find((one) => one >= wanted) ?? WIDTHS.at(-1);
  return `${API}/books/${id}/pages/${page}/image?width=${width}`;
}

/** The picture at such an address, for an image that could not show it: an image is not told why. */
export const picture = async (src) => (await request(src)).blob();

export const healthy = () =>
  request("health", { cache: "no-store", signal: AbortSignal.timeout(HEALTH_PATIENCE) }).then(
    () => true,
    (error) => !(error instanceof Unreachable), // even a refusal is an answer
  );

/**
 * Sends a book. A server that has many to index is asked again when it said so, however long that takes.
 * @param {File} file
 * @param {{onSent: (fraction: number) => void, onWait: () => void}} how
 * @returns the job that indexes it, as in the API
 */
export async function addBook(file, { onSent, onWait }) {
  for (;;) {
    try {
      return await sendBook(file, onSent);
    } catch (error) {
      if (error.status !== 503) throw error;
      onWait();
      await pause(error.retryAfter);
    }
  }
}

/** Sends a book once; fetch tells nothing of an upload's progress, XMLHttpRequest does. */
function sendBook(file, onSent) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", `${API}/books`);
    sending.responseType = "json";
    sending.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    sending.onerror = () => reject(new Unreachable("the upload was cut off"));
    sending.onabort = () => reject(new DOMException("given up", "AbortError"));
    sending.onload = () => {
      const said = sending.response ?? {};
      if (sending.status === 202) resolve(said);
      else {
        const wait = retryAfter(sending.getResponseHeader("Retry-After"));
        reject(new ApiError(sending.status, said, sending.statusText, wait));
      }
    };
    const body = new FormData();
    body.append("file", file, file.name);
    sending.send(body);
  });
}

/**
 * Follows a job to its end.
 * @param {string} events its event stream
 * @param {(state: object) => void} onState called with each state
 * @returns {Promise<object>} the last state, done or failed
 */
export function followJob(events, onState) {
  return new Promise((resolve, reject) => {
    const stream = new EventSource(events);
    const heard = (event) => {
      const state = JSON.parse(event.data);
      onState(state);
      if (state.state === "done" || state.state === "failed") {
        stream.close();
        resolve(state);
      }
    };
    stream.onmessage = heard;
    stream.onerror = () => {
      // While it is CONNECTING the browser tries again by itself; CLOSED is final.
      if (stream.readyState === EventSource.CLOSED) reject(new Unreachable("the events ended"));
    };
  });
}
