// Blogs: those of the newest jobs, and everything that was made for one.

import { call } from "../api.mjs";
import { ago, amount, count } from "../format.mjs";
import { html, useState } from "../html.mjs";
import { pictureMarkup } from "../markup.mjs";
import { go, to } from "../router.mjs";
import { CopyButton, Dialog, Empty, Loaded, Picture, Status, Title, useAction, useLoaded } from "../ui.mjs";

const JOBS = 200;
const IMAGES = 60;

export function Blogs() {
  const first = useLoaded((signal) => call("jobs", { query: { limit: JOBS }, signal }), []);
  const open = (event) => {
    event.preventDefault();
    const blog = new FormData(event.currentTarget).get("blog").trim();
    if (blog) go("blogs", blog);
  };
  return html`<${Title} lead="Blogs of the newest jobs; any other opens by its id." aside=${html`<form class="joined" onSubmit=${open} role="search">
      <input name="blog" aria-label="A blog's id" placeholder="Id of a blog" required /><button>Open</button></form>`}>Blogs<//>
    <${Loaded} of=${first} rows="4">${(page) => html`<${BlogList} first=${page} />`}<//>`;
}

function BlogList({ first }) {
  const [jobs, setJobs] = useState(first.jobs);
  const [cursor, setCursor] = useState(first.next_cursor);
  const [isRunning, more] = useAction(async () => {
    const page = await call("jobs", { query: { limit: JOBS, cursor } });
    setJobs([...jobs, ...page.jobs]);
    setCursor(page.next_cursor);
  });
  const blogs = new Map();
  for (const job of jobs.filter((each) => each.blog_id)) {
    if (!blogs.has(job.blog_id)) blogs.set(job.blog_id, []);
    blogs.get(job.blog_id).push(job);
  }
  return html`${blogs.size === 0 ? html`<${Empty} title="No blog yet"><p>Name a blog where images are asked for, and they are gathered here.</p><//>`
    : html`<ul class="blogs">${[...blogs].map(([blog, of]) => {
        const made = of.filter((job) => job.url);
        const cover = made.find((job) => !job.is_draft) ?? made[0];
        const waiting = of.filter((job) => job.review?.state === "awaiting").length;
        return html`<li key=${blog}><a class="card blog" href=${to("blogs", blog)}>
          <div class="mat wide fitted">${cover ? html`<${Picture} image=${{ ...cover, alt_text: "" }} src=${cover.url} />` : html`<div class="picture blank" />`}</div>
          <div><h2>${blog}</h2><p class="edge mono"><span>${count(made.length, "image")}</span>${waiting > 0 && html`<span class="waits">${waiting} await review</span>`}<span>${ago(of[0].created_at)}</span></p></div></a></li>`;
      })}</ul>`}
    ${cursor && html`<p class="more"><button disabled=${isRunning} onClick=${more}>${isRunning ? "Loading…" : "Look further back"}</button></p>`}`;
}

export function Blog({ id }) {
  const first = useLoaded((signal) => call(`blogs/${encodeURIComponent(id)}`, { query: { limit: IMAGES }, signal }), [id]);
  return html`<${Title} lead="Everything made for this blog, newest first.">${id}<//>
    <${Loaded} of=${first} rows="6">${(page) => html`<${Images} blog=${id} first=${page} />`}<//>`;
}

function Images({ blog, first }) {
  const [images, setImages] = useState(first.images);
  const [cursor, setCursor] = useState(first.next_cursor);
  const [only, setOnly] = useState(first.images.some((image) => !image.is_draft) ? "finals" : "all");
  const [shown, setShown] = useState(null);
  const [isRunning, more] = useAction(async () => {
    const page = await call(`blogs/${encodeURIComponent(blog)}`, { query: { limit: IMAGES, cursor } });
    setImages([...images, ...page.images]);
    setCursor(page.next_cursor);
  });
  const listed = images.filter((image) => only === "all" || image.is_draft === (only === "drafts"));
  if (!images.length) return html`<${Empty} title="Nothing was made for this blog"><p>Jobs under way have no image yet: <a href=${to("jobs", { blog_id: blog })}>its jobs</a>.</p><//>`;
  return html`<div class="filters"><div class="segments" role="group" aria-label="Which images">${["finals", "drafts", "all"].map((each) => html`<button key=${each} aria-pressed=${only === each} onClick=${() => setOnly(each)}>${each[0].toUpperCase()}${each.slice(1)}</button>`)}</div>
      <a class="button quiet" href=${to("jobs", { blog_id: blog })}>Its jobs</a>
      ${listed.length > 0 && html`<${CopyButton} label=${`Copy markup of ${listed.length}`} text=${() => listed.map((image) => pictureMarkup(image)).join("\n\n")} />`}</div>
    ${!listed.length && html`<${Empty} title=${`No ${only} here`}><p>${only === "finals" ? "Approve a draft, and its final is here." : ""}</p><//>`}
    <ul class="frames gallery">${listed.map((image) => html`<li key=${image.image_id} class="frame">
      <div class="mat fitted"><a href=${image.url} target="_blank" rel="noopener noreferrer"><${Picture} image=${image} sizes="(min-width: 900px) 33vw, 100vw" /></a></div>
      <div class="caption"><p class="prompt">${image.alt_text}</p>
        <p class="edge mono"><span>${image.width} × ${image.height}</span><span>${image.provider}/${image.model}</span><span>${image.cost ? amount(image.cost.amount_usd) : ""}</span><a href=${to("jobs", image.job_id)}>Job</a></p>
        <div class="actions"><${Status} state=${image.is_draft ? (image.review?.state ?? "completed") : "final"} />
          <button class="small" onClick=${() => setShown(image)}>Markup</button><${CopyButton} label="Copy <picture>" text=${() => pictureMarkup(image)} /></div></div></li>`)}</ul>
    ${cursor && html`<p class="more"><button disabled=${isRunning} onClick=${more}>${isRunning ? "Loading…" : "Older images"}</button></p>`}
    ${shown && html`<${Dialog} title="Markup" className="wide" onClose=${() => setShown(null)} footer=${html`<${CopyButton} text=${pictureMarkup(shown)} />`}><pre class="markup" tabindex="0">${pictureMarkup(shown)}</pre>
      <p class="hint">Set <code>sizes</code> to how wide the image is in your layout. The addresses do not expire.</p><//>`}`;
}
