// The history on this device: photos, thumbnails and answers in IndexedDB; in memory where that is forbidden.
const NAME = "whichpage";
const STORE = "answers";
const MOST = 200; // photos of some 300 KB each

let database = null; // a promise of the database, or of null where there is none
const memory = new Map();

function open() {
  database ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, 1);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
  return database;
}

/** Runs one request in a transaction of its own and resolves to its result. */
async function run(mode, work, instead) {
  const opened = await open();
  if (!opened) return instead();
  return new Promise((resolve, reject) => {
    const transaction = opened.transaction(STORE, mode);
    const request = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * Keeps an answer; the oldest ones make room.
 * @param {{name: string, photo: Blob|null, thumbnail: Blob|null, shown: boolean, answer: object}} entry
 * @returns the entry with its `id` and the time `at` (milliseconds)
 */
export async function keep(entry) {
  const at = Date.now();
  // Times alone could repeat when several photos are answered within a millisecond.
  const kept = { ...entry, id: `${at.toString(36)}-${Math.random().toString(36).slice(2, 8)}`, at };
  try {
    await run(
      "readwrite",
      (store) => store.put(kept),
      () => memory.set(kept.id, kept),
    );
    const old = (await all()).slice(MOST);
    for (const one of old) await forget(one.id);
  } catch {
    memory.set(kept.id, kept); // A full disk must not lose the answer that was just found.
  }
  return kept;
}

export const get = async (id) =>
  (await run(
    "readonly",
    (store) => store.get(id),
    () => undefined,
  )) ?? memory.get(id);

/** Everything kept, the newest first. */
export async function all() {
  const stored =
    (await run(
      "readonly",
      (store) => store.getAll(),
      () => [],
    )) ?? [];
  return [...stored, ...memory.values()].sort((a, b) => b.at - a.at);
}

export async function forget(id) {
  memory.delete(id);
  await run(
    "readwrite",
    (store) => store.delete(id),
    () => undefined,
  );
}

export async function clear() {
  memory.clear();
  await run(
    "readwrite",
    (store) => store.clear(),
    () => undefined,
  );
}
