// Icons, drawn on 24 by 24 with one stroke.

import { html } from "./html.mjs";

const PATHS = {
  approve: "M4 12.5l5 5L20 6.5",
  reject: "M6 6l12 12M18 6L6 18",
  edit: "M4 20h4L19 9l-4-4L4 16v4M13.5 6.5l4 4",
  review: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  new: "M12 5v14M5 12h14",
  jobs: "M4 6h16M4 12h16M4 18h10",
  blogs: "M6 4h9l4 4v12H6zM14 4v5h5M9 13h7M9 17h5",
  costs: "M5 20V11M12 20V4M19 20v-6",
  providers: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5",
  expand: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 019.5 4 8.5 8.5 0 1020 14.5z",
  system: "M3 5h18v11H3zM9 20h6M12 16v4",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  link: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  warning: "M12 4L2.5 20h19zM12 10v4M12 17h.01",
  lost: "M3 3l18 18M5 12.5a10 10 0 014-2.6M12 9.5a10 10 0 017 3M8.5 16a5 5 0 017 0M12 19.5h.01",
  clock: "M12 4a8 8 0 100 16 8 8 0 000-16M12 8v4l3 2",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}
