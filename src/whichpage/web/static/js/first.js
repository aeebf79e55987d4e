// What must be known before the first paint: the language, and the theme where the reader chose one.
(() => {
  const stored = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // Storage may be forbidden; the defaults do.
    }
  };
  const preferred =
    (navigator.languages ?? [navigator.language]).find((tag) => /^(en|ja)\b/i.test(tag)) ?? "en";
  const chosen = stored("whichpage.language");
  document.documentElement.lang =
    chosen === "en" || chosen === "ja" ? chosen : preferred.slice(0, 2).toLowerCase();
  const theme = stored("whichpage.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
