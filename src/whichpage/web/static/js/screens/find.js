// The first screen: the camera, or a photo from elsewhere, and what is said while it is looked up.
import { books } from "../api.js";
import { ask, verified } from "../asking.js";
import { h, icon, showBlob } from "../dom.js";
import { corners, sketch } from "../drawings.js";
import { detailOf, explain, t } from "../i18n.js";
import { cameraGranted, cameraPossible, openCamera, torchOf, watch } from "../live.js";
import { notice, speak } from "../notices.js";
import { jpeg } from "../photo.js";
import { setSetting, setting } from "../settings.js";
import { keep } from "../store.js";

const AUTO = "auto"; // whether the reader wants the camera to look by itself
const SHUTTER_SIDE = 2000; // pixels

let justAnswered = null; // "book:page" that the camera need not report twice in a row

/** The finding screen. */
export function findScreen() {
  const view = new FindView();
  return {
    element: view.element,
    title: t.tabFind,
    lookUp: (photos) => view.lookUp(photos),
    arrived: () => view.arrive(),
    destroy: () => view.stop(),
  };
}

class FindView {
  constructor() {
    this.camera = null; // the stream, while it runs
    this.watching = null; // the AbortController of the automatic mode
    this.asking = null; // and that of a photo being looked up
    this.video = h("video", { playsinline: true, muted: true, "aria-hidden": "true" });
    this.video.muted = true; // the attribute alone does not mute a video made by script
    this.still = h("img.still", { alt: "", hidden: true });
    this.status = h("p.finder-status", { role: "status", "aria-live": "polite" });
    this.welcome = h("div.welcome", {}, ...this.welcomeParts());
    this.controls = h("div.controls", { hidden: true }, ...this.controlParts());
    this.working = h(
      "div.working",
      { hidden: true },
      h("span.sweep", { "aria-hidden": "true" }),
      h("button.button.on-night", { type: "button", onclick: () => this.asking?.abort() }, t.cancel),
    );
    this.problem = h("div.finder-problem", { role: "alert", hidden: true });
    this.finder = h(
      "div.finder",
      { "data-state": "idle" },
      this.video,
      this.still,
      corners(),
      this.welcome,
      this.working,
      this.status,
      this.problem,
      this.controls,
      this.close,
    );
    this.element = h("div.find-screen", {}, this.finder);
    this.onHide = () => document.hidden && this.stopCamera();
    document.addEventListener("visibilitychange", this.onHide);
  }

  welcomeParts() {
    const possible = cameraPossible();
    const start = possible
      ? h("button.button.primary.big", { type: "button", onclick: () => this.startCamera() }, icon("camera"), t.startCamera)
      : filePicker({ label: t.takePhoto, sign: "camera", primary: true, capture: true }, (photos) => this.lookUp(photos));
    return [
      sketch(),
      h("h1", { tabindex: -1 }, t.findTitle),
      h("p.lead", {}, t.findLead),
      h(
        "div.welcome-buttons",
        {},
        start,
        filePicker({ label: t.choosePhotos, sign: "picture" }, (photos) => this.lookUp(photos)),
      ),
      possible ? h("p.small.wide-only", {}, t.dropOrPaste) : h("p.small", {}, t.insecure),
      (this.empty = h("p.empty-library", { hidden: true }, t.emptyLibrary, " ", h("a", { href: "#/library" }, t.addBooks))),
    ];
  }

  controlParts() {
    const pick = filePicker({ label: t.choosePhotos, sign: "picture", bare: true }, (photos) => this.lookUp(photos));
    this.shutter = h("button.shutter", { type: "button", "aria-label": t.shutter, onclick: () => this.press() });
    this.auto = h(
      "button.toggle",
      { type: "button", "aria-pressed": "false", "aria-label": `${t.auto}: ${t.autoLabel}`, onclick: () => this.toggleAuto() },
      icon("auto"),
      h("span", {}, t.auto),
    );
    this.torch = h("button.toggle", { type: "button", "aria-pressed": "false", hidden: true }, icon("torch"), h("span", {}, t.torch));
    this.close = h("button.round-button.stop-camera", { type: "button", "aria-label": t.stopCamera, hidden: true, onclick: () => this.endCamera() }, icon("close"));
    return [pick, this.torch, this.shutter, this.auto];
  }

  /** Called once the screen is on the page. */
  async arrive() {
    books().then(
      (list) => (this.empty.hidden = list.length > 0),
      (error) => error.status && this.fail(error),
    );
    if (cameraPossible() && wantsCamera && (await cameraGranted()) && this.element.isConnected && !this.asking) {
      await this.startCamera();
    }
  }

  async startCamera() {
    this.problem.hidden = true;
    this.setState("starting", t.startingCamera);
    try {
      const stream = await openCamera(this.video);
      if (!this.element.isConnected) return void stream.getTracks().forEach((track) => track.stop());
      this.camera = stream;
      wantsCamera = true;
    } catch (error) {
      const sentences = { NotFoundError: t.noCamera, NotAllowedError: t.cameraDenied };
      this.setState("idle");
      this.showProblem(sentences[error.name] ?? t.cameraBusy);
      return;
    }
    this.offerTorch();
    this.setState("live", t.liveManual);
    if (setting(AUTO) !== "off") this.startWatching();
  }

  offerTorch() {
    const turn = torchOf(this.camera);
    this.torch.hidden = !turn;
    this.torch.onclick = async () => {
      const on = this.torch.getAttribute("aria-pressed") !== "true";
      await turn(on);
      this.torch.setAttribute("aria-pressed", String(on));
    };
  }

  toggleAuto() {
    setSetting(AUTO, this.watching ? "off" : "on");
    if (this.watching) {
      this.stopWatching();
      this.say(t.liveManual);
    } else this.startWatching();
  }

  async startWatching() {
    const control = (this.watching = new AbortController());
    this.auto.setAttribute("aria-pressed", "true");
    this.finder.dataset.watching = "";
    this.say(t.liveLooking);
    try {
      const found = await watch(this.video, {
        signal: control.signal,
        ignore: justAnswered,
        onState: (state, value) => this.say(liveText(state, value)),
      });
      if (control.signal.aborted) return;
      this.stopWatching();
      if (!found) this.say(t.livePaused);
      else await this.keepFrame(found);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.stopWatching();
      this.say(t.liveManual);
      this.fail(error);
    }
  }

  stopWatching() {
    this.watching?.abort();
    this.watching = null;
    this.auto.setAttribute("aria-pressed", "false");
    delete this.finder.dataset.watching;
  }

  async keepFrame({ frame, answer }) {
    navigator.vibrate?.(40);
    this.say(t.liveFound(verified(answer)[0].page));
    const thumbnail = await jpeg(await createImageBitmap(frame), 192, 0.75);
    this.goTo(await keep({ name: frameName(), photo: frame, thumbnail, shown: true, answer }));
  }

  async press() {
    this.stopWatching();
    await this.lookUp([new File([await jpeg(this.video, SHUTTER_SIDE)], frameName(), { type: "image/jpeg" })]);
  }

  /** Looks photos up one after the other; one leads to its answer, several to the history. */
  async lookUp(photos) {
    if (!photos.length) return;
    this.asking?.abort();
    const control = (this.asking = new AbortController());
    this.stopWatching();
    this.problem.hidden = true;
    const entries = [];
    try {
      for (const [index, photo] of photos.entries()) {
        const place = photos.length > 1 ? `${t.photoOf(index + 1, photos.length)} — ` : "";
        this.showStill(photo);
        const onPhase = (text) => control.signal.aborted || this.setState("working", place + text);
        entries.push(await ask(photo, { name: photo.name || "photo", signal: control.signal, onPhase }));
      }
    } catch (error) {
      if (this.asking !== control) return; // other photos have taken their place
      this.asking = null;
      this.rest();
      if (error.name !== "AbortError") this.fail(error, () => this.lookUp(photos.slice(entries.length)));
      return;
    }
    if (this.asking !== control) return;
    this.asking = null;
    this.arriveAt(entries);
  }

  arriveAt(entries) {
    if (!this.element.isConnected) return; // the reader went elsewhere; the history has them
    if (entries.length === 1) return void this.goTo(entries[0]);
    notice(t.severalDone(entries.filter((entry) => verified(entry.answer).length).length, entries.length));
    location.hash = "#/history";
  }

  goTo(entry) {
    const first = verified(entry.answer)[0];
    justAnswered = first ? `${first.book.id}:${first.page}` : null;
    speak(first ? t.foundSpoken(first.book.title, first.page) : t.notFoundSpoken);
    location.hash = `#/answer/${entry.id}`;
  }

  showStill(photo) {
    this.still.hidden = false;
    showBlob(this.still, photo);
  }

  /** Back to the camera where it runs, else to the start. */
  rest() {
    this.still.hidden = true;
    this.setState(this.camera ? "live" : "idle", this.camera ? t.liveManual : "");
  }

  setState(state, text = "") {
    this.finder.dataset.state = state;
    this.say(text);
    this.welcome.hidden = state !== "idle";
    this.controls.hidden = this.close.hidden = state !== "live";
    this.working.hidden = state !== "working";
  }

  /** Says it below the picture; the same again is no news to a screen reader. */
  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /** Says what went wrong; `again` does it once more. */
  fail(error, again) {
    this.showProblem(explain(error), detailOf(error), again);
  }

  showProblem(text, detail, again) {
    this.problem.replaceChildren(
      icon("warning"),
      h("div", {}, h("p", {}, text), detail ? h("p.small", {}, detail) : null),
      again ? h("button.button", { type: "button", onclick: again }, t.retry) : null,
    );
    this.problem.hidden = false;
  }

  /** The reader wants no camera, now or when coming back. */
  endCamera() {
    wantsCamera = false;
    this.stopCamera();
    this.element.querySelector("h1").focus({ preventScroll: true });
  }

  stopCamera() {
    this.stopWatching();
    if (!this.camera) return;
    for (const track of this.camera.getTracks()) track.stop();
    this.camera = null;
    this.video.srcObject = null;
    if (this.finder.dataset.state === "live") this.setState("idle");
  }

  stop() {
    document.removeEventListener("visibilitychange", this.onHide);
    this.stopCamera();
  }
}

let wantsCamera = false; // once started, the camera starts again when the reader comes back

const frameName = () => `camera ${new Date().toLocaleTimeString("sv")}.jpg`.replaceAll(":", ".");

function liveText(state, value) {
  if (state === "dark") return t.liveDark;
  if (state === "moving") return t.liveMoving;
  if (state === "same") return t.liveSame(value);
  // The first failures are nothing: the phone is still on its way to the page.
  return value < 4 ? t.liveLooking : t.liveHints[Math.floor((value - 4) / 4) % t.liveHints.length];
}

/** A button that chooses photos; a file input under a label, so that keyboard and screen reader know it. */
function filePicker({ label, sign, primary = false, capture = false, bare = false }, chosen) {
  const input = h("input.picker-input", {
    type: "file",
    accept: "image/*,.heic,.heif",
    multiple: !capture,
    capture: capture ? "environment" : null,
    "aria-label": label,
    onchange: () => {
      chosen([...input.files]);
      input.value = ""; // so that the same photo may be chosen again
    },
  });
  const looks = bare ? "span.round-button" : `span.button.big${primary ? ".primary" : ""}`;
  return h("label.picker", {}, input, h(looks, { "aria-hidden": "true" }, icon(sign), bare ? null : label));
}
