// The few choices that outlast the page. Storage may be forbidden: a choice then lasts as long as the page.
const PREFIX = "whichpage.";

export function setting(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function setSetting(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // As said above.
  }
}
