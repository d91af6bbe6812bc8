// Values that components watch.

import { useEffect, useState } from "./html.mjs";

/** A value; `set` takes the next one, or a function of the last. */
export function store(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = typeof next === "function" ? next(value) : next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function useStore(watched) {
  const [, draw] = useState({});
  const value = watched.get();
  useEffect(() => {
    const changed = () => draw({});
    if (watched.get() !== value) changed();  // Between the drawing and this effect.
    return watched.watch(changed);
  }, [watched]);
  return value;
}

/** What is kept in this browser; nothing, where it keeps nothing. */
export const kept = {
  get(name, where = localStorage) {
    try { return where.getItem(`darkroom.${name}`); } catch { return null; }
  },
  set(name, value, where = localStorage) {
    try {
      if (value) where.setItem(`darkroom.${name}`, value);
      else where.removeItem(`darkroom.${name}`);
    } catch { /* Then it is forgotten with the page. */ }
  },
};
