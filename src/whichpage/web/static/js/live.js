// The live camera: opening it, and looking through it by itself until a page is verified.
import { find } from "./api.js";
import { pageKey, verified } from "./asking.js";
import { jpeg } from "./photo.js";

const LOOK_EVERY = 300; // milliseconds between looks
const PATIENCE = 60_000; // then it pauses, for the battery's sake
const LONGEST_SKIP = 1500; // a frame is sent at least this often, however shaky
const FRAME = 1600; // pixels of the long side that are sent
const GRID = 48; // pixels of the frame that is judged for light and movement
const DARK = 45; // mean luminance of 255
const MOVING = 14; // mean change of luminance between two looks

/** Whether this page may ask for a camera at all. */
export const cameraPossible = () => Boolean(window.isSecureContext && navigator.mediaDevices?.getUserMedia);

/** Whether the camera may be started without a question. */
export async function cameraGranted() {
  try {
    return (await navigator.permissions.query({ name: "camera" })).state === "granted";
  } catch {
    return false; // Not every browser knows this permission by name.
  }
}

/** Opens the camera at the back, as sharp as it gets, and shows it in the video; else it is let go again. */
export async function openCamera(video) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1440 } },
  });
  try {
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    endStream(stream);
    video.srcObject = null;
    throw error;
  }
  return stream;
}

/** Lets a camera go. */
export const endStream = (stream) => stream.getTracks().forEach((track) => track.stop());

/** Turns the lamp beside the camera on or off, where there is one. */
export const torchOf = (stream) => {
  const track = stream.getVideoTracks()[0];
  if (!track?.getCapabilities?.().torch) return null;
  return (on) => track.applyConstraints({ advanced: [{ torch: on }] });
};

/**
 * Looks a few times a second until a page is verified, patience ends or the signal says so.
 * @param {HTMLVideoElement} video
 * @param {{signal: AbortSignal, ignore: Set<string>, onState: (state: string, value?: number) => void}} how
 *   ignore: the pages (`pageKey`) that were just answered and are not news; onState hears "dark", "moving", "looking",
 *   "unseen" with how often nothing was seen, "same" with the page, "error" with what went wrong
 * @returns {Promise<{frame: Blob, answer: object}|null>} null when it paused
 */
export async function watch(video, { signal, ignore, onState }) {
  const judge = frameJudge(video);
  const end = performance.now() + PATIENCE;
  let sent = -Infinity;
  let unseen = 0;
  while (performance.now() < end) {
    await nextLook(signal);
    const { dark, moving } = judge();
    const overdue = performance.now() - sent > LONGEST_SKIP;
    if (dark) onState("dark");
    else if (moving) onState("moving");
    if ((dark || moving) && !overdue) continue;
    const frame = await jpeg(video, FRAME, 0.85);
    sent = performance.now();
    const answer = await find(frame, { name: "camera.jpg", signal });
    const pages = verified(answer);
    if (pages.some((match) => !ignore.has(pageKey(match)))) return { frame, answer };
    if (pages.length) onState("same", pages[0].page);
    else if (!dark && !moving) onState("unseen", ++unseen);
  }
  return null;
}

function nextLook(signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    };
    if (signal.aborted) return void reject(new DOMException("stopped", "AbortError"));
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, LOOK_EVERY);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Judges frames by a small grey copy: whether they are dark, and whether they differ from the one before. */
function frameJudge(video) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = GRID;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let before = null;
  return () => {
    context.drawImage(video, 0, 0, GRID, GRID);
    const { data } = context.getImageData(0, 0, GRID, GRID);
    const grey = new Float32Array(GRID * GRID);
    let light = 0;
    let change = 0;
    for (let i = 0; i < grey.length; i++) {
      grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
      light += grey[i];
      if (before) change += Math.abs(grey[i] - before[i]);
    }
    const moving = before !== null && change / grey.length > MOVING;
    before = grey;
    return { dark: light / grey.length < DARK, moving };
  };
}
