// The live camera on the finding screen: its picture, shutter, lamp, and the automatic mode.
import { Unreachable } from "../api.js";
import { pageKey } from "../asking.js";
import { reachable } from "../connection.js";
import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { cameraGranted, cameraPossible, endStream, openCamera, torchOf, watch } from "../live.js";
import { jpeg } from "../photo.js";
import { setSetting, setting } from "../settings.js";

const AUTO = "auto"; // whether the reader wants the camera to look by itself
const SHUTTER_SIDE = 2000; // pixels

let wantsCamera = false; // once started, the camera starts again when the reader comes back
let ignored = new Set(); // pages that it need not report twice in a row

/** Says which pages were answered last: the camera waits for another. An open book shows two. */
export function justAnswered(matches) {
  ignored = new Set(matches.map(pageKey));
}

export class CameraView {
  /**
   * @param {{picker: Element, state: (name: string, text?: string) => void, say: (text: string) => void,
   *   problem: (text: string) => void, fail: (error: Error) => void, photo: (photo: File) => void,
   *   found: (frame: File, answer: object) => void, idle: () => boolean}} on the screen it belongs to; `picker` stands beside the
   *   shutter, `photo` takes what the shutter took, `found` what was seen without it, `idle` tells whether
   *   nothing is being looked up
   */
  constructor(on) {
    this.on = on;
    this.stream = null;
    this.opening = false;
    this.watching = null; // the AbortController of the automatic mode
    this.video = h("video", { playsinline: true, "aria-hidden": "true" });
    this.video.muted = true; // the attribute alone does not mute a video made by script
    const press = () => this.press();
    this.shutter = h("button.shutter", { type: "button", "aria-label": t.shutter, onclick: press });
    this.auto = toggle("auto", t.auto, () => this.toggleAuto());
    this.auto.setAttribute("aria-label", `${t.auto}: ${t.autoLabel}`);
    this.torch = toggle("torch", t.torch, () => this.toggleTorch());
    this.controls = h("div.controls", { hidden: true }, on.picker, this.torch, this.shutter, this.auto);
    this.close = h(
      "button.round-button.stop-camera",
      { type: "button", "aria-label": t.stopCamera, hidden: true, onclick: () => this.end() },
      icon("close"),
    );
    this.interrupted = false; // whether it was on when the reader left the page for another or another app
    this.onVisibility = () => (document.hidden ? this.interrupt() : this.resume());
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  get running() {
    return this.stream !== null;
  }

  /** Whether it should start by itself: the reader had it on, and need not be asked again. */
  async wanted() {
    return cameraPossible() && wantsCamera && (await cameraGranted());
  }

  async start() {
    if (this.opening || this.running) return; // a second stream would never be let go
    this.interrupted = false;
    this.on.problem(null);
    this.on.state("starting", t.startingCamera);
    if (!(await this.open())) return;
    this.turnTorch = torchOf(this.stream);
    this.torch.hidden = !this.turnTorch;
    this.torch.setAttribute("aria-pressed", "false"); // a camera that is opened anew has its lamp off
    this.on.state("live", t.liveManual);
    if (setting(AUTO) !== "off") await this.watch();
  }

  /** Opens the camera; tells whether it is there to be looked through. */
  async open() {
    this.opening = true;
    try {
      const stream = await openCamera(this.video);
      if (!this.video.isConnected) return void endStream(stream); // the reader went elsewhere meanwhile
      this.stream = stream;
      for (const track of stream.getTracks()) track.addEventListener("ended", () => this.lose(stream));
      if (document.hidden) return void this.interrupt();
      return (wantsCamera = true);
    } catch (error) {
      if (!this.video.isConnected) return false;
      const sentences = { NotFoundError: t.noCamera, NotAllowedError: t.cameraDenied };
      this.on.state("idle");
      this.on.problem(sentences[error.name] ?? t.cameraBusy);
      return false;
    } finally {
      this.opening = false;
    }
  }

  /** The system took the camera away: its last picture must not look like a live one. */
  lose(stream) {
    if (this.stream !== stream) return;
    this.stop();
    this.on.problem(t.cameraLost);
  }

  async toggleTorch() {
    const on = this.torch.getAttribute("aria-pressed") !== "true";
    await this.turnTorch(on);
    this.torch.setAttribute("aria-pressed", String(on));
  }

  async toggleAuto() {
    setSetting(AUTO, this.watching ? "off" : "on");
    if (!this.watching) return void (await this.watch());
    this.stopWatching();
    this.on.say(t.liveManual);
  }

  /** The automatic mode, until it finds, pauses, fails or is stopped. */
  async watch() {
    const control = (this.watching = new AbortController());
    this.auto.setAttribute("aria-pressed", "true");
    this.on.problem(null);
    this.on.say(t.liveLooking);
    try {
      const seen = await watch(this.video, {
        signal: control.signal,
        ignore: ignored,
        onState: (state, value) => this.on.say(liveText(state, value)),
      });
      if (control.signal.aborted) return;
      this.stopWatching();
      if (!seen) this.on.say(t.livePaused);
      else this.on.found(new File([seen.frame], frameName(), { type: seen.frame.type }), seen.answer);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.stopWatching();
      this.on.say(t.liveManual);
      this.on.fail(error);
      if (error instanceof Unreachable) reachable().then(() => this.running && this.on.problem(null));
    }
  }

  stopWatching() {
    this.watching?.abort();
    this.watching = null;
    this.auto.setAttribute("aria-pressed", "false");
  }

  async press() {
    this.stopWatching();
    const frame = await jpeg(this.video, SHUTTER_SIDE);
    this.on.photo(new File([frame], frameName(), { type: frame.type }));
  }

  /** The reader wants no camera, now or when coming back. */
  end() {
    wantsCamera = false;
    this.stop();
  }

  /** Lets the camera go for as long as the page is not seen. */
  interrupt() {
    this.interrupted ||= this.running;
    this.stop();
  }

  /** Starts again what was interrupted, once the page is seen and nothing is being looked up. */
  async resume() {
    if (this.interrupted && !document.hidden && this.on.idle()) await this.start();
  }

  /** Lets the camera go. */
  stop() {
    this.stopWatching();
    if (!this.stream) return;
    endStream(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    if (!this.controls.hidden) this.on.state("idle");
  }

  destroy() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.interrupted = false;
    this.stop();
  }
}

const toggle = (sign, label, onclick) =>
  h("button.toggle", { type: "button", "aria-pressed": "false", onclick }, icon(sign), h("span", {}, label));

const frameName = () => `camera ${new Date().toLocaleTimeString("sv")}.jpg`.replaceAll(":", ".");

function liveText(state, value) {
  if (state === "dark") return t.liveDark;
  if (state === "moving") return t.liveMoving;
  if (state === "same") return t.liveSame(value);
  // The first failures are nothing: the phone is still on its way to the page.
  return value < 4 ? t.liveLooking : t.liveHints[Math.floor((value - 4) / 4) % t.liveHints.length];
}
