// Keeps the page itself, so that it opens at once and can say when the computer is away. Never the API.
const CACHE = "whichpage-page";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.add("./")));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const own = url.origin === location.origin && event.request.method === "GET";
  if (!own || url.pathname.startsWith("/api/")) return;
  event.respondWith(fresh(event.request));
});

/** The server's copy, so that an update is seen at once; the kept one while the server cannot be reached. */
async function fresh(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok && !response.redirected) await cache.put(bare(request), response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(bare(request));
    if (kept) return kept;
    throw error;
  }
}

/** The address without its query: the access key of a first visit must not be kept. */
function bare(request) {
  const url = new URL(request.url);
  return url.origin + url.pathname;
}
