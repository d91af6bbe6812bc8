// Addresses: everything behind the `#`, so that the desk works below any path of any server.

import { store } from "./store.mjs";

function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { parts: parts.length ? parts : ["review"], query: new URLSearchParams(query) };
}

function safely() {
  try { return read(); } catch { return { parts: ["nowhere"], query: new URLSearchParams() }; }
}

export const route = store(safely());

addEventListener("hashchange", () => route.set(safely()));

/** The address of a page: `to("jobs", id)`, `to("jobs", {status: "failed"})`. */
export function to(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const told = Object.entries(query).filter(([, value]) => value);
  const path = parts.map(encodeURIComponent).join("/");
  return `#/${path}${told.length ? `?${new URLSearchParams(told)}` : ""}`;
}

export function go(...parts) {
  location.hash = to(...parts);
}
