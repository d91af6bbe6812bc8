// The sign of the house.

import { html } from "./html.mjs";

export function Mark() {
  return html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9" /><path d="M12 3a9 9 0 010 18z" /></svg>`;
}
