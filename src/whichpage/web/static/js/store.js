// The history on this device: photos, thumbnails and answers in IndexedDB; in memory where that is forbidden
// or fails.
const NAME = "whichpage";
const STORE = "answers";
const MOST = 200; // photos of some 300 KB each

let database = null; // a promise of the database, once it is asked for; of null where there is none
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
    request.onerror = () => {
      database = null; // another time it may be there
      resolve(null);
    };
  });
  return database;
}

/** Runs one request in a transaction of its own and resolves to its result; undefined without a database. */
async function run(mode, work) {
  const opening = open();
  const opened = await opening;
  if (!opened) return undefined;
  try {
    return await transact(opened, mode, work);
  } catch (error) {
    // Browsers close connections of pages in the background, and do not always say so: once more with a new one.
    opened.close();
    if (database === opening) database = null;
    const again = await open();
    if (!again) throw error;
    return transact(again, mode, work);
  }
}

function transact(opened, mode, work) {
  return new Promise((resolve, reject) => {
    const transaction = opened.transaction(STORE, mode);
    const request = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () =>
      reject(transaction.error ?? new Error("the browser gave up keeping the history"));
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
  memory.set(kept.id, kept); // A full disk must not lose the answer that was just found.
  try {
    if ((await run("readwrite", (store) => store.put(kept))) !== undefined) memory.delete(kept.id);
    for (const one of (await all()).slice(MOST)) await forget(one.id);
  } catch {
    // It stays in memory, or an old one longer than it need.
  }
  return kept;
}

export const get = async (id) => memory.get(id) ?? (await run("readonly", (store) => store.get(id)));

/** Everything kept, the newest first; what is in memory alone where the rest cannot be read. */
export async function all() {
  let stored;
  try {
    stored = (await run("readonly", (store) => store.getAll())) ?? [];
  } catch (error) {
    if (!memory.size) throw error;
    stored = [];
  }
  return [...stored, ...memory.values()].sort((a, b) => b.at - a.at);
}

export async function forget(id) {
  memory.delete(id);
  await run("readwrite", (store) => store.delete(id));
}

export async function clear() {
  memory.clear();
  await run("readwrite", (store) => store.clear());
}
