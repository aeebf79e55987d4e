// The two drawings of the finding screen.
import { s } from "./dom.js";

/** The corners of the frame that the page should fill. */
export function corners() {
  // Each corner is a drawing of its own, so that the frame takes any shape and its corners stay round.
  const turns = [
    [0, 0],
    [90, 1],
    [180, 2],
    [270, 3],
  ];
  const marks = turns.map(([turn, place]) =>
    s(
      "svg",
      { x: place % 3 ? "100%" : 0, y: place > 1 ? "100%" : 0, overflow: "visible" },
      s("path", { d: "M2 44V20A18 18 0 0 1 20 2h24", transform: `rotate(${turn})` }),
    ),
  );
  return s("svg", { class: "corners", "aria-hidden": "true" }, ...marks);
}

/** A sheet of paper on the table, seen by the camera. */
export function sketch() {
  const shape = (name, d) => s("path", { class: name, d });
  return s(
    "svg",
    { class: "sketch", viewBox: "0 0 200 230", "aria-hidden": "true" },
    s(
      "g",
      { transform: "rotate(-6 100 115)" },
      s("g", { transform: "rotate(9 100 115)" }, shape("paper-behind", "M52 36h104v150H52z")),
      shape("paper", "M46 36h108v158H46z"),
      shape("print", "M60 56h46M60 72h80M60 83h80M60 94h62M60 160h80M60 171h80M60 182h38"),
      shape("figure", "M60 106h80v42H60z"),
      shape(
        "frame",
        "M30 48V30a10 10 0 0 1 10-10h18M142 20h18a10 10 0 0 1 10 10v18M170 182v18a10 10 0 0 1-10 10h-18M58 210H40a10 10 0 0 1-10-10v-18",
      ),
    ),
  );
}
