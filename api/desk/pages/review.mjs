// The contact sheet: drafts by blog and batch, from the developer's tray to an editor's decision.

import { approve, approveAll, retry } from "../decide.mjs";
import { CompareDialog, RejectDialog, ReviseDialog } from "../dialogs.mjs";
import { amount, count, money, seconds } from "../format.mjs";
import { html, useEffect, useMemo, useRef, useState } from "../html.mjs";
import { Icon } from "../icons.mjs";
import { batches, desk, isAwaiting, isWorking, look, refresh, tidy } from "../live.mjs";
import { Choices, Loupe, useCanChoose } from "../loupe.mjs";
import { to } from "../router.mjs";
import { may } from "../session.mjs";
import { kept, useStore } from "../store.mjs";
import {
  Confirm, Empty, Failed, JobStatus, Picture, Progress, Skeleton, Title, isForPage, stateName, useAction,
} from "../ui.mjs";

/** Groups of drafts, the newest first; each in the order of its batch, or newest first. */
function grouped(jobs, blog) {
  const groups = new Map();
  for (const job of jobs) {
    if (!job.is_draft || (blog && job.blog_id !== blog)) continue;
    const key = `${job.blog_id ?? ""}\n${job.batch_id ?? ""}`;
    if (!groups.has(key)) groups.set(key, { key, blog_id: job.blog_id, batch_id: job.batch_id, jobs: [] });
    groups.get(key).jobs.push(job);
  }
  const newest = (group) => Math.max(...group.jobs.map((job) => Date.parse(job.created_at)));
  for (const group of groups.values()) group.jobs.sort(group.batch_id ? byPlace : byAge);
  return [...groups.values()].sort((one, other) => newest(other) - newest(one));
}

const place = (job) => Number(/-(\d+)/.exec(job.job_id)?.[1] ?? 0);
const byPlace = (one, other) => place(one) - place(other) || one.job_id.length - other.job_id.length;
const byAge = (one, other) => Date.parse(other.created_at) - Date.parse(one.created_at);

export function Review({ query }) {
  const { jobs, shown, isLoaded, error } = useStore(desk);
  const [blog, setBlog] = useState(query.get("blog") ?? "");
  const [size, setSize] = useState(kept.get("size") || "large");
  const [chosen, setChosen] = useState({});
  const [open, setOpen] = useState(null);
  const [at, setAt] = useState(null);
  const sheet = useRef();

  const mine = [...shown].map((id) => jobs[id]).filter(Boolean);
  const groups = useMemo(() => grouped(mine, blog), [jobs, shown, blog]);
  const drafts = groups.flatMap((group) => group.jobs);
  const awaiting = drafts.filter(isAwaiting);
  const finals = mine.filter((job) => !job.is_draft && isWorking(job) && !shown.has(job.draft_job_id));
  const blogs = [...new Set(mine.map((job) => job.blog_id).filter(Boolean))].sort();
  const decided = mine.filter((job) => !isAwaiting(job) && !isWorking(job)).length;
  const chosenOf = (job) => chosen[job.job_id] ?? job.review?.image_index ?? 0;
  const finalOf = (job) => jobs[job.final_job_id];
  const current = at && drafts.some((job) => job.job_id === at) ? at : (awaiting[0] ?? drafts[0])?.job_id;

  const focus = (jobId) => {
    setAt(jobId);
    requestAnimationFrame(() => sheet.current?.querySelector(`[data-job="${jobId}"]`)?.focus());
  };
  /** The draft that waits behind the one decided. */
  const next = (jobId) => {
    const order = drafts.map((job) => job.job_id);
    const from = order.indexOf(jobId);
    const waiting = [...drafts.slice(from + 1), ...drafts.slice(0, from)].filter(isAwaiting);
    return waiting[0]?.job_id;
  };
  const decidedOn = (jobId) => {
    const following = next(jobId);
    if (open?.loupe) setOpen(following ? { loupe: following } : null);
    if (following) focus(following);
  };

  const loupeJob = open?.loupe && jobs[open.loupe];
  useEffect(() => {
    if (loupeJob && loupeJob.image_count > 1 && !loupeJob.images) look(loupeJob.job_id).catch(() => {});
  }, [loupeJob?.job_id]);

  const onKeyDown = (event) => {
    if (!isForPage(event) || event.target.closest("dialog")) return;
    const job = jobs[event.target.closest?.("[data-job]")?.dataset.job ?? current];
    const isOnCard = event.target.matches?.("[data-job]") || event.target === document.body || event.target.matches?.("h1");
    const isOnButton = event.target.closest?.("button, a, summary, [role=radio]");
    if (event.key.startsWith("Arrow")) {
      if (event.target.matches?.("input, [role=radio]")) return;
      const found = neighbour(sheet.current, event.target.closest?.("[data-job]") ? job?.job_id : null, event.key);
      if (found) { event.preventDefault(); focus(found); }
      return;
    }
    if (!job) return;
    if (/^[1-4]$/.test(event.key) && event.key <= (job.image_count ?? 1)) {
      setChosen((last) => ({ ...last, [job.job_id]: event.key - 1 }));
    } else if (event.key === "Enter" && isOnCard && !isOnButton && job.url) {
      event.preventDefault();
      setOpen({ loupe: job.job_id });
    } else if (event.key === "c" && finalOf(job)?.url) setOpen({ compare: job.job_id });
    else if (isAwaiting(job) && may("review")) {
      if (event.key === "a") sheet.current.querySelector(`[data-job="${job.job_id}"] .approve`)?.click();
      else if (event.key === "r") { event.preventDefault(); setOpen({ reject: job.job_id }); }
      else if (event.key === "e") { event.preventDefault(); setOpen({ revise: job.job_id }); }
    }
  };
  useEffect(() => {
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  });

  const visible = drafts.filter((job) => job.url);
  const move = (steps) => {
    const index = visible.findIndex((job) => job.job_id === open.loupe);
    setOpen({ loupe: visible[(index + steps + visible.length) % visible.length].job_id });
  };
  const choose = (jobId) => (image) => setChosen((last) => ({ ...last, [jobId]: image }));
  const resize = (to_) => { setSize(to_); kept.set("size", to_); };
  const back = open?.from ? { loupe: open.from } : null;

  return html`
    <${Title} lead=${isLoaded && (awaiting.length || drafts.length) ? lead(awaiting, drafts) : null}
      aside=${isLoaded && drafts.length > 0 && html`
        ${blogs.length > 1 && html`<label class="inline"><span class="visually-hidden">Blog</span><select value=${blog} onChange=${(event) => setBlog(event.target.value)}>
          <option value="">All blogs</option>${blogs.map((each) => html`<option key=${each}>${each}</option>`)}</select></label>`}
        <div class="segments" role="group" aria-label="Size of the images">
          ${["large", "sheet"].map((each) => html`<button key=${each} aria-pressed=${size === each} onClick=${() => resize(each)}>${each === "large" ? "Large" : "Sheet"}</button>`)}
        </div>
        ${decided > 0 && html`<button onClick=${tidy}>Put ${decided} decided away</button>`}`}>Review<//>
    ${error && !isLoaded && html`<${Failed} error=${error} again=${() => refresh().catch(() => {})} />`}
    ${!isLoaded && !error && html`<${Skeleton} rows="6" />`}
    ${isLoaded && !drafts.length && !finals.length && html`<${Empty} title="Nothing waits for you">
      <p>New drafts appear here by themselves while they are made.</p>
      ${may("generate") && html`<a class="button primary" href=${to("new")}><${Icon} name="new" />Make images</a>`}<//>`}
    <div ref=${sheet} class="sheet ${size === "large" ? "large" : "small-ones"}">
      ${groups.map((group) => html`<${Group} key=${group.key} group=${group} finalOf=${finalOf} chosenOf=${chosenOf} choose=${choose}
        current=${current} setAt=${setAt} open=${setOpen} done=${decidedOn} approveAll=${(jobs_) => setOpen({ all: jobs_ })} />`)}
    </div>
    ${finals.length > 0 && html`<section class="group" aria-label="Finals in work"><header class="group-head"><h2>Finals in work</h2></header>
      <ul class="rows">${finals.map((job) => html`<li key=${job.job_id}><a href=${to("jobs", job.job_id)}>${job.title ?? job.job_id}</a>
        <${JobStatus} job=${job} /><${Progress} value=${job.progress_percentage} label=${`Final: ${job.title ?? job.job_id}`} /></li>`)}</ul></section>`}
    ${loupeJob && html`<${Loupe} job=${loupeJob} position=${visible.indexOf(loupeJob) + 1} total=${visible.length}
      chosen=${chosenOf(loupeJob)} choose=${choose(loupeJob.job_id)} move=${move}
      onReject=${() => setOpen({ reject: loupeJob.job_id, from: loupeJob.job_id })} onRevise=${() => setOpen({ revise: loupeJob.job_id, from: loupeJob.job_id })}
      onCompare=${finalOf(loupeJob)?.url ? () => setOpen({ compare: loupeJob.job_id, from: loupeJob.job_id }) : null}
      onDone=${() => decidedOn(loupeJob.job_id)} onClose=${() => { setOpen(null); focus(loupeJob.job_id); }} />`}
    ${open?.reject && html`<${RejectDialog} job=${jobs[open.reject]} onClose=${() => setOpen(back)} onDone=${() => decidedOn(open.reject)} />`}
    ${open?.revise && html`<${ReviseDialog} job=${jobs[open.revise]} onClose=${() => setOpen(back)} onDone=${() => decidedOn(open.revise)} />`}
    ${open?.compare && html`<${CompareDialog} draft=${approvedImage(jobs[open.compare])} final=${finalOf(jobs[open.compare])} onClose=${() => setOpen(back)} />`}
    ${open?.all && html`<${ApproveAll} jobs=${open.all} onClose=${() => setOpen(null)} />`}`;
}

const approvedImage = (job) => ({ ...job, ...job.images?.[job.review?.image_index ?? 0] });

function lead(awaiting, drafts) {
  const working = drafts.filter(isWorking).length;
  const waits = awaiting.length ? `${count(awaiting.length, "draft")} ${awaiting.length === 1 ? "awaits" : "await"} your word` : "Nothing awaits your word";
  return working ? `${waits}, ${working} in work` : waits;
}

/** The card next to one, as they lie on the screen. */
function neighbour(sheet, jobId, key) {
  const cards = [...sheet.querySelectorAll("[data-job]")];
  const index = cards.findIndex((card) => card.dataset.job === jobId);
  if (index < 0) return cards[0]?.dataset.job;
  if (key === "ArrowRight") return cards[index + 1]?.dataset.job;
  if (key === "ArrowLeft") return cards[index - 1]?.dataset.job;
  const from = cards[index].getBoundingClientRect();
  const beyond = cards
    .map((card) => ({ card, box: card.getBoundingClientRect() }))
    .filter(({ box }) => (key === "ArrowDown" ? box.top > from.top + 8 : box.top < from.top - 8))
    .map(({ card, box }) => ({ card, far: Math.abs(box.top - from.top) * 3 + Math.abs(box.left - from.left) }));
  return beyond.sort((one, other) => one.far - other.far)[0]?.card.dataset.job;
}

function pricesOf(jobs) {
  const prices = jobs.map((job) => job.review?.final?.price_usd);
  return prices.some((price) => price === null || price === undefined) ? null : prices.reduce((sum, price) => sum + price, 0);
}

function ApproveAll({ jobs, onClose }) {
  const price = pricesOf(jobs);
  return html`<${Confirm} title=${`Approve ${count(jobs.length, "draft")}?`} verb=${`Approve ${jobs.length}`} onConfirm=${() => approveAll(jobs)} onClose=${onClose}>
    <p>${count(jobs.length, "final")} will be made. ${price === null ? "Of some the price is not known." : `Together: ${money(price)}.`} An approval cannot be taken back.</p>
  <//>`;
}

function Group({ group, finalOf, chosenOf, choose, current, setAt, open, done, approveAll: all }) {
  const known = useStore(batches)[group.batch_id];
  const awaiting = group.jobs.filter(isAwaiting);
  const working = group.jobs.filter(isWorking);
  const unstarted = known?.counts?.pending ?? 0;
  const price = pricesOf(awaiting);
  return html`<section class="group n${Math.min(group.jobs.length, 3)}" aria-label=${group.blog_id ?? "Without a blog"}>
    <header class="group-head">
      <h2>${group.blog_id ? html`<a href=${to("blogs", group.blog_id)}>${group.blog_id}</a>` : "Without a blog"}</h2>
      <p class="edge mono">${group.batch_id && html`<a href=${to("batches", group.batch_id)}>${shortBatch(group.batch_id)}</a>`}
        <span>${count(group.jobs.length, "image")}</span>${unstarted > 0 && html`<span>${unstarted} not begun</span>`}</p>
      ${working.length > 0 && known && html`<${Progress} value=${known.progress_percentage} label="The whole batch" isSmall />`}
      ${awaiting.length > 1 && may("review") && html`<button class="all" onClick=${() => all(awaiting)}><${Icon} name="approve" />
        Approve all ${awaiting.length}<span class="price">${price === null ? "" : money(price)}</span></button>`}
    </header>
    <div class="frames">
      ${group.jobs.map((job, index) => html`<${Frame} key=${job.job_id} job=${job} number=${index + 1} final=${finalOf(job)}
        chosen=${chosenOf(job)} choose=${choose(job.job_id)} isCurrent=${current === job.job_id} setAt=${setAt} open=${open} done=${done} />`)}
    </div>
  </section>`;
}

const shortBatch = (id) => (id.length > 14 ? `${id.slice(0, 12)}…` : id);

function Frame({ job, number, final, chosen, choose, isCurrent, setAt, open, done }) {
  const canPick = useCanChoose(job);
  const isOpen = isAwaiting(job);
  const image = job.images?.[chosen] ?? job;
  const [isRunning, run] = useAction(async () => {
    await approve(job, { image: canPick ? chosen : undefined });
    done(job.job_id);
  });
  useEffect(() => {
    if (job.image_count > 1 && !job.images) look(job.job_id).catch(() => {});
  }, [job.job_id, job.image_count]);
  const offer = job.review?.final;
  const name = `Draft ${number}: ${job.title ?? job.alt_text ?? job.job_id}`;
  return html`<article class="frame ${isOpen ? "awaiting" : ""} ${job.review?.state ?? job.status}" data-job=${job.job_id} aria-label=${name}
      tabindex=${isCurrent ? 0 : -1} onFocusIn=${() => setAt(job.job_id)}>
    <div class="mat fitted">${job.url
      ? html`<button class="enlarge" aria-label="Enlarge" tabindex="-1" onClick=${() => open({ loupe: job.job_id })}>
          <${Picture} image=${image} src=${image.url} /></button>`
      : html`<${Tray} job=${job} />`}
    </div>
    <${Choices} job=${job} chosen=${chosen} choose=${choose} />
    <div class="caption">
      <p class="prompt" title=${job.title}>${job.title ?? job.alt_text}</p>
      <p class="edge mono"><span class="number" aria-hidden="true">${String(number).padStart(2, "0")}</span><span>${job.provider}/${job.model}</span>${job.revision_of && html`<span>next round</span>`}
        ${job.warnings?.length > 0 && html`<span title=${job.warnings.join(" ")}>note</span>`}
        <a href=${to("jobs", job.job_id)}>Job<span class="visually-hidden"> ${number}</span></a></p>
      ${job.url && html`<dl class="prices"><div><dt>Draft</dt><dd>${job.cost ? amountOf(job) : "free"}</dd></div>
        ${offer && html`<div><dt>Final ${offer.width} × ${offer.height}</dt><dd>${money(offer.price_usd)}</dd></div>`}</dl>`}
      ${isOpen && job.review.problem && html`<p class="problem">${job.review.problem}</p>`}
      ${isOpen && may("review") && html`<div class="actions">
        <button class="primary approve" disabled=${isRunning} onClick=${run}><${Icon} name="approve" />${isRunning ? "Approving…" : "Approve"}</button>
        <button onClick=${() => open({ revise: job.job_id })}><${Icon} name="edit" />Changes</button>
        <button class="icon-only" aria-label="Reject" title="Reject" onClick=${() => open({ reject: job.job_id })}><${Icon} name="reject" /></button></div>`}
      ${!isOpen && !isWorking(job) && html`<${Verdict} job=${job} final=${final} open=${open} />`}
    </div>
  </article>`;
}

const amountOf = (job) => (job.cost.amount_usd === 0 ? "free" : amount(job.cost.amount_usd));

function Tray({ job }) {
  if (job.status === "failed") {
    return html`<div class="tray failed"><${Icon} name="warning" /><p>${job.error_message}</p></div>`;
  }
  return html`<div class="tray"><p>${stateName(job.status === "processing" ? job.current_stage : job.status)}
      ${job.estimated_time_remaining > 0 && html`<span class="mono"> about ${seconds(job.estimated_time_remaining)}</span>`}</p>
    <${Progress} value=${job.progress_percentage} label=${`Draft: ${job.title ?? job.job_id}`} /></div>`;
}

function Verdict({ job, final, open }) {
  const [isRunning, again] = useAction(() => retry(job));
  if (job.status === "failed") {
    return html`<div class="verdict"><${JobStatus} job=${job} />${may("generate") && job.error_code !== "content_rejected" && !job.retry_job_id
      && html`<button class="small" disabled=${isRunning} onClick=${again}>Try again</button>`}</div>`;
  }
  return html`<div class="verdict"><${JobStatus} job=${job} />
    ${job.review?.reviewer && html`<span class="by">by ${job.review.reviewer}</span>`}
    ${final && isWorking(final) && html`<${Progress} value=${final.progress_percentage} label="Its final" isSmall />`}
    ${final?.status === "failed" && html`<a href=${to("jobs", final.job_id)}>The final failed</a>`}
    ${final?.url && html`<button class="small" onClick=${() => open({ compare: job.job_id })}><${Icon} name="compare" />Compare with the final</button>`}
  </div>`;
}
