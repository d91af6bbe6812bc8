// Who looks: the key that requests are sent with, and what it may do.

import { kept, store } from "./store.mjs";

const KEY = "key";

let key = kept.get(KEY, sessionStorage) ?? kept.get(KEY);

/** `{state: "asking" | "in" | "out" | "refused" | "away", caller?, told?}` */
export const session = store({ state: "asking" });

export const reviewer = store(kept.get("reviewer") ?? "");
reviewer.watch((name) => kept.set("reviewer", name));

export function authorization() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function hasKey() {
  return Boolean(key);
}

/** Keep a key until this tab is closed, or, where it is wished, in this browser. */
export function keepKey(given, isRemembered) {
  forgetKey();
  key = given;
  kept.set(KEY, given, isRemembered ? localStorage : sessionStorage);
}

export function forgetKey() {
  key = null;
  kept.set(KEY, null, sessionStorage);
  kept.set(KEY, null);
}

export function signOut(told) {
  forgetKey();
  session.set({ state: "out", told });
}

export function may(scope) {
  const scopes = session.get().caller?.scopes ?? [];
  return scopes.includes(scope) || scopes.includes("admin");
}
