// The first screen: the camera, or a photo from elsewhere, and what is said while it is looked up.
import { anyBook } from "../api.js";
import { ask, verified } from "../asking.js";
import { bookLabel } from "../books.js";
import { detail } from "../detail.js";
import { fill, h, icon, showBlob } from "../dom.js";
import { corners, sketch } from "../drawings.js";
import { detailOf, explain, t } from "../i18n.js";
import { keyForm } from "../key_form.js";
import { cameraPossible } from "../live.js";
import { notice, speak } from "../notices.js";
import { prepare } from "../photo.js";
import { filePicker } from "../picker.js";
import { keep } from "../store.js";
import { CameraView, justAnswered } from "./camera_view.js";

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

// What the server says of a photo, and not of itself or of who asks: the next one may fare better.
const OF_THE_PHOTO = new Set([400, 413, 415, 422, 500]);

/** How many of these entries of the history have a page. */
const found = (entries) => entries.filter((entry) => verified(entry.answer).length).length;

/** What is said of an answer by its first page; none where nothing was found. */
const spoken = (first) => (first ? t.foundSpoken(bookLabel(first.book), first.page) : t.notFoundSpoken);

class FindView {
  constructor() {
    this.asking = null; // the AbortController of the photos that are being looked up
    this.camera = new CameraView({
      picker: this.picker({ label: t.choosePhotos, sign: "picture", looks: "round-button", bare: true }),
      state: (name, text) => this.setState(name, text),
      say: (text) => this.say(text),
      problem: (text) => this.showProblem(text),
      fail: (error) => this.fail(error),
      photo: (photo) => this.lookUp([photo]),
      found: (frame, answer) => this.keepFrame(frame, answer),
      idle: () => !this.asking,
    });
    this.still = h("img.still", { alt: "", hidden: true });
    this.status = h("p.finder-status", { role: "status", "aria-live": "polite" });
    this.welcome = h("div.welcome", {}, ...this.welcomeParts());
    this.working = h(
      "div.working",
      { hidden: true },
      h("span.sweep", { "aria-hidden": "true" }),
      (this.cancel = h("button.button", { type: "button", onclick: () => this.asking?.abort() }, t.cancel)),
    );
    this.problem = h("div.finder-problem", { role: "alert", hidden: true });
    this.finder = h(
      "div.finder",
      { "data-state": "idle" },
      this.camera.video,
      this.still,
      corners(),
      this.welcome,
      this.working,
      this.status,
      this.problem,
      this.camera.controls,
      this.camera.close,
    );
    this.element = h("div.find-screen", {}, this.finder);
  }

  welcomeParts() {
    const possible = cameraPossible();
    const start = possible
      ? h(
          "button.button.primary.big",
          { type: "button", onclick: () => this.camera.start() },
          icon("camera"),
          t.startCamera,
        )
      : this.picker({
          label: t.takePhoto,
          sign: "camera",
          looks: "button.big.primary",
          multiple: false,
          capture: "environment",
        });
    return [
      sketch(),
      h("h1", { tabindex: -1 }, t.findTitle),
      h("p.lead", {}, t.findLead),
      h(
        "div.welcome-buttons",
        {},
        start,
        this.picker({ label: t.choosePhotos, sign: "picture", looks: "button.big" }),
      ),
      possible ? h("p.small.wide-only", {}, t.dropOrPaste) : h("p.small", {}, t.insecure),
      (this.empty = h(
        "p.empty-library",
        { hidden: true },
        t.emptyLibrary,
        " ",
        h("a", { href: "#/library" }, t.addBooks),
      )),
    ];
  }

  picker(given) {
    return filePicker({ accept: "image/*,.heic,.heif", multiple: true, ...given }, (photos) =>
      this.lookUp(photos),
    );
  }

  /** Called once the screen is on the page. */
  async arrive() {
    anyBook().then(
      (any) => (this.empty.hidden = any),
      (error) => error.status && this.fail(error),
    );
    if ((await this.camera.wanted()) && this.element.isConnected && !this.asking) await this.camera.start();
  }

  /** Keeps what the camera saw by itself, and shows it. */
  async keepFrame(frame, answer) {
    navigator.vibrate?.(40);
    this.say(t.liveFound(verified(answer)[0].page));
    const { thumbnail } = await prepare(frame);
    this.goTo(await keep({ name: frame.name, photo: frame, thumbnail, shown: true, answer }));
  }

  /**
   * Looks photos up one after the other; one leads to its answer, several to the history. Among several, one that
   * cannot be read is left out and told at the end.
   */
  async lookUp(photos) {
    if (!photos.length) return;
    this.asking?.abort();
    const control = (this.asking = new AbortController());
    this.camera.stopWatching();
    this.problem.hidden = true;
    const entries = [];
    const refused = [];
    let index = 0;
    try {
      for (; index < photos.length; index++) {
        const photo = photos[index];
        const place = photos.length > 1 ? `${t.photoOf(index + 1, photos.length)} — ` : "";
        this.showStill(photo);
        const onPhase = (text) => control.signal.aborted || this.setState("working", place + text);
        try {
          entries.push(await ask(photo, { name: photo.name || "photo", signal: control.signal, onPhase }));
        } catch (error) {
          if (photos.length === 1 || !OF_THE_PHOTO.has(error.status)) throw error;
          refused.push({ photo, error });
        }
      }
    } catch (error) {
      if (this.asking !== control) return; // other photos have taken their place
      this.asking = null;
      this.rest();
      const left = [...refused.map((one) => one.photo), ...photos.slice(index)];
      if (error.name === "AbortError") return;
      // Nothing is told on a screen that the reader has left.
      if (!this.element.isConnected) notice(t.photoFailed(explain(error)));
      else this.fail(error, () => this.lookUp(left));
      return;
    }
    if (this.asking !== control) return;
    this.asking = null;
    if (refused.length) this.tellRefused(entries, refused);
    else this.arriveAt(entries);
  }

  /** Says which of several photos were answered and which could not be, and why. */
  tellRefused(entries, refused) {
    const told = t.severalRefused(refused.length, refused.length + entries.length);
    if (!this.element.isConnected) return void notice(told);
    this.rest();
    const why = ({ photo, error }) => h("li", {}, `${photo.name}: ${explain(error)}`);
    const rest = entries.length ? h("p", {}, t.severalOthers(found(entries), entries.length)) : null;
    const again = () => this.lookUp(refused.map((one) => one.photo));
    this.showProblem(told, [h("ul", {}, refused.map(why)), rest], again);
  }

  arriveAt(entries) {
    if (entries.length === 1 && !this.element.isConnected) {
      // The reader went elsewhere meanwhile: no screen is taken from under them, the history has it.
      const first = verified(entries[0].answer)[0];
      return void notice(spoken(first));
    }
    if (entries.length === 1) return void this.goTo(entries[0]);
    const leads = this.element.isConnected;
    notice(t.severalDone(found(entries), entries.length), { next: leads });
    if (leads) location.hash = "#/history";
  }

  goTo(entry) {
    const pages = verified(entry.answer);
    const [first] = pages;
    justAnswered(pages);
    speak(spoken(first), { next: true });
    location.hash = `#/answer/${entry.id}`;
  }

  showStill(photo) {
    this.still.hidden = false;
    showBlob(this.still, photo);
  }

  /** Back to the camera where it runs, else to the start. */
  rest() {
    this.still.hidden = true;
    const live = this.camera.running;
    this.setState(live ? "live" : "idle", live ? t.liveManual : "");
    this.camera.resume();
  }

  setState(state, text = "") {
    this.finder.dataset.state = state;
    this.say(text);
    this.focused ||= this.finder.contains(document.activeElement);
    this.welcome.hidden = state !== "idle";
    this.camera.controls.hidden = this.camera.close.hidden = state !== "live";
    this.working.hidden = state !== "working";
    // A button that is hidden loses the focus, and with it the reader's place on the page.
    const active = document.activeElement;
    const lost = active === document.body || active.checkVisibility?.() === false;
    if (!this.focused || !lost || state === "starting") return;
    const next =
      { live: this.camera.shutter, working: this.cancel }[state] ?? this.element.querySelector("h1");
    next.focus({ preventScroll: true });
    this.focused = false;
  }

  /** Says it below the picture; the same again is no news to a screen reader. */
  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /** Says what went wrong; `again` does it once more. */
  fail(error, again) {
    const entered = () => {
      this.showProblem(null);
      if (again) again();
      else this.arrive();
    };
    const more = error.status === 401 ? keyForm(entered) : detail(detailOf(error));
    this.showProblem(explain(error), more, error.status === 401 ? null : again);
  }

  showProblem(text, more, again) {
    this.problem.hidden = !text;
    if (!text) return;
    fill(
      this.problem,
      icon("warning"),
      h("div", {}, h("p", {}, text), more ? h("div.small", {}, more) : null),
      again ? h("button.button", { type: "button", onclick: again }, t.retry) : null,
    );
  }

  stop() {
    this.camera.destroy();
  }
}
