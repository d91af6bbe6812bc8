// One job: its images, how it came to them, and everything a developer asks of it.

import { call, follow } from "../api.mjs";
import { cancel, retry } from "../decide.mjs";
import { CompareDialog } from "../dialogs.mjs";
import { ago, amount, bytes, exactly, money, seconds } from "../format.mjs";
import { html, useEffect, useState } from "../html.mjs";
import { Icon } from "../icons.mjs";
import { take } from "../live.mjs";
import { pictureMarkup } from "../markup.mjs";
import { go, to } from "../router.mjs";
import { may } from "../session.mjs";
import {
  Confirm, CopyButton, Failed, Id, JobStatus, Picture, Progress, Skeleton, Status, Title, stateName, useAction, useLoaded,
} from "../ui.mjs";
import { Deliveries } from "../webhooks.mjs";

/** The job's answer, again at each change of it. */
export function useJob(id) {
  const loaded = useLoaded((signal) => call(`jobs/${id}`, { signal }), [id]);
  const [told, setTold] = useState();
  const hear = (answer) => { take(answer); setTold(answer); };
  useEffect(() => { if (loaded.value) hear(loaded.value); }, [loaded.value]);
  useEffect(() => {
    const controller = new AbortController();
    follow(`jobs/${id}/events`, { until: "decided" }, (_, answer) => hear(answer), controller.signal);
    return () => controller.abort();
  }, [id]);
  return { ...loaded, value: told?.job_id === id ? told : loaded.value };
}

export function Job({ id }) {
  const { value: job, error, again } = useJob(id);
  if (!job) {
    return html`<${Title}>Job<//>${error ? html`<${Failed} error=${error} again=${again} />` : html`<${Skeleton} rows="4" />`}`;
  }
  return html`<${Told} job=${job} again=${again} />`;
}

function Told({ job, again }) {
  const rounds = useLoaded((signal) => call(`jobs/${job.job_id}/rounds`, { signal }), [job.job_id, job.status, job.review?.state]);
  const asked = rounds.value?.jobs.find((each) => each.job_id === job.job_id)?.parameters;
  const [dialog, setDialog] = useState(null);
  const [isRetrying, tryAgain] = useAction(async () => go("jobs", await retry(job)));
  const isOver = ["completed", "failed"].includes(job.status);
  return html`
    <${Title} lead=${html`<${Id} id=${job.job_id} />`} aside=${html`
      ${job.review?.state === "awaiting" && html`<a class="button primary" href=${to("review")}>Review it</a>`}
      ${job.final_job_id && job.result && html`<button onClick=${() => setDialog("compare")}><${Icon} name="compare" />Compare with the final</button>`}
      ${job.status === "failed" && may("generate") && !job.retry_job_id && html`<button disabled=${isRetrying} onClick=${tryAgain}>Try again</button>`}
      ${!isOver && may("generate") && html`<button onClick=${() => setDialog("cancel")}>Cancel</button>`}
      ${job.links.temporal_ui && html`<a class="button" href=${job.links.temporal_ui} target="_blank" rel="noopener noreferrer">Temporal<${Icon} name="link" /><span class="visually-hidden">Web UI, in a new tab</span></a>`}`}>
      ${kind(job)}<//>
    <div class="job">
      <section class="job-images" aria-label="Images">
        ${job.result ? job.result.images.map((image) => html`<figure key=${image.image_id} class="mat"><a href=${image.url} target="_blank" rel="noopener noreferrer"><${Picture} image=${image} sizes="(min-width: 1100px) 55vw, 100vw" isEager /></a>
            <figcaption class="edge mono"><span>${image.width} × ${image.height}</span><span>${image.format} ${bytes(image.size_bytes)}</span>${image.seed !== undefined && html`<span>seed ${image.seed}</span>`}
              <${CopyButton} label="<picture>" text=${() => pictureMarkup(image)} /></figcaption></figure>`)
          : html`<div class="mat tray-big">${job.status === "failed"
              ? html`<div class="tray failed"><${Icon} name="warning" /><p>${job.error_message}</p></div>`
              : html`<div class="tray"><p>${stateName(job.status === "processing" ? job.current_stage : job.status)}
                  ${job.estimated_time_remaining > 0 && html`<span class="mono"> about ${seconds(job.estimated_time_remaining)}</span>`}</p>
                  <${Progress} value=${job.progress_percentage} label="This job" /></div>`}</div>`}
        ${asked && html`<p class="asked">${asked.prompt}</p>${asked.full_prompt && html`<details><summary>As it was sent</summary><p class="asked">${asked.full_prompt}</p></details>`}`}
        ${rounds.value?.jobs.length > 1 && html`<${Rounds} told=${rounds.value} current=${job.job_id} />`}
      </section>
      <div class="stack">
        ${job.error && html`<div class="notice bad"><${Icon} name="warning" /><div><strong class="mono">${job.error.code}</strong><p>${job.error.message}</p>
          <p class="hint">${job.error.retryable ? "Trying again may help." : "Trying the same again will not help."} Billed: ${job.error.billed}.</p></div></div>`}
        ${[...(job.warnings ?? []), job.message].filter(Boolean).map((warning) => html`<p key=${warning} class="notice">${warning}</p>`)}
        <section class="card"><h2>What happened</h2><${Timeline} job=${job} /></section>
        <section class="card"><h2>Facts</h2><${Facts} job=${job} asked=${asked} /></section>
        <section class="card"><h2>Webhooks</h2><${Deliveries} path=${`jobs/${job.job_id}`} state=${job.status} /></section>
        <details class="card"><summary>Raw answer</summary><div class="raw"><${CopyButton} text=${() => JSON.stringify(job, null, 2)} /><pre tabindex="0">${JSON.stringify(job, null, 2)}</pre></div></details>
      </div>
    </div>
    ${dialog === "cancel" && html`<${Confirm} title="Cancel this job?" verb="Cancel the job" isBad onClose=${() => setDialog(null)} onConfirm=${async () => { await cancel(job); again(); }}>
      <p>What a vendor has begun may still be billed; an image that is paid for is kept.</p><//>`}
    ${dialog === "compare" && html`<${WithFinal} job=${job} onClose=${() => setDialog(null)} />`}`;
}

function WithFinal({ job, onClose }) {
  const final = useLoaded((signal) => call(`jobs/${job.final_job_id}`, { signal }), [job.final_job_id]);
  if (!final.value) return null;
  if (!final.value.result) {
    return html`<${Confirm} title="The final is not there yet" verb="Watch it" onClose=${onClose} onConfirm=${() => go("jobs", job.final_job_id)}><p>It is ${stateName(final.value.status).toLowerCase()}.</p><//>`;
  }
  const flat = (answer, index = 0) => ({ ...answer.result, ...answer.result.images[index] });
  return html`<${CompareDialog} draft=${flat(job, job.review?.image_index)} final=${flat(final.value)} onClose=${onClose} />`;
}

function kind(job) {
  if (job.draft_job_id) return "Final";
  if (job.is_draft) return job.revision_of ? "Draft, next round" : "Draft";
  return "Image";
}

/** What is known of a job's life, in order. */
function moments(job) {
  const told = [{ at: job.created_at, what: "Accepted" }];
  if (job.retry_of) told[0].more = html`Another try of <a href=${to("jobs", job.retry_of)}>${job.retry_of}</a>`;
  const attempts = job.attempts.map((attempt, index) => ({
    at: attempt.started_at,
    what: `${attempt.provider}/${attempt.model}`,
    state: attempt.outcome,
    before: index === 0 ? job.created_at : job.attempts[index - 1].started_at,
    more: attempt.error && html`<span class="mono">${attempt.error.code}</span> ${attempt.error.message}${attempt.error.billed === "unknown" && html` <strong>Billed: unknown.</strong>`}`,
  }));
  if (!attempts.length && job.started_at) attempts.push({ at: job.started_at, what: "Begun", before: job.created_at });
  told.push(...attempts);
  if (job.completed_at) told.push({ at: job.completed_at, what: job.status === "failed" ? "Failed" : "Completed", state: job.status, before: told.at(-1).at, verb: "after",
    more: job.result && `${seconds(job.result.generation_time_seconds)} of making${job.cost ? `, ${amount(job.cost.amount_usd)}` : ""}` });
  const review = job.review;
  if (review?.decided_at) told.push({ at: review.decided_at, what: stateName(review.state), state: review.state, before: job.completed_at, verb: "after",
    more: [review.reviewer ?? review.decided_by, review.comment].filter(Boolean).join(": ") });
  return told;
}

function Timeline({ job }) {
  const told = moments(job);
  return html`<ol class="timeline">${told.map((moment, index) => html`<li key=${index} class=${moment.state ?? ""}>
      <div><strong>${moment.what}</strong>${moment.state && html`<${Status} state=${moment.state} />`}</div>
      <p class="edge mono"><time datetime=${moment.at}>${exactly(moment.at)}</time>${moment.before && html`<span>${moment.verb ?? "waited"} ${seconds(Math.max(0, (new Date(moment.at) - new Date(moment.before)) / 1000)) || "0 s"}</span>`}</p>
      ${moment.more && html`<p>${moment.more}</p>`}</li>`)}
    ${!["completed", "failed"].includes(job.status) && html`<li class="now"><div><strong>${stateName(job.status === "processing" ? job.current_stage : job.status)}</strong></div><${Progress} value=${job.progress_percentage} label="This job" isSmall /></li>`}
    ${job.review?.state === "awaiting" && html`<li class="now"><div><strong>Awaits review</strong></div><p class="edge mono">until ${exactly(job.review.expires_at)}</p>${job.review.problem && html`<p class="problem">${job.review.problem}</p>`}</li>`}
    ${job.final_job_id && html`<li><div><strong><a href=${to("jobs", job.final_job_id)}>Its final</a></strong></div></li>`}
    ${job.revision_job_id && html`<li><div><strong><a href=${to("jobs", job.revision_job_id)}>The next round</a></strong></div></li>`}
    ${job.retry_job_id && html`<li><div><strong><a href=${to("jobs", job.retry_job_id)}>Tried again</a></strong></div></li>`}
  </ol>`;
}

/** All that led to the image, and what each step changed. */
function Rounds({ told, current }) {
  return html`<section class="rounds" aria-label="Rounds"><h2>Rounds <span class="mono id">${amount(told.cost.amount_usd)} in all</span></h2><ol>
    ${told.jobs.map((job) => html`<li key=${job.job_id}><a href=${to("jobs", job.job_id)} aria-current=${job.job_id === current ? "true" : undefined}>
      <span class="mat square">${job.thumbnails[0] ? html`<img src=${job.thumbnails[0].thumbnail_url} alt="" loading="lazy" />` : html`<span class="mono">…</span>`}</span>
      <span>${job.is_draft ? `Round ${job.round}` : "Final"}</span><${JobStatus} job=${job} />
      ${job.changed.length > 0 && job.is_draft && html`<span class="hint">${job.changed.join(", ")}</span>`}</a></li>`)}</ol></section>`;
}

function Facts({ job, asked }) {
  const link = (page, id) => id && html`<a href=${to(page, id)}>${id}</a>`;
  const offer = job.review?.final;
  const facts = [
    ["State", html`<${JobStatus} job=${job} />`],
    ["Made by", job.result && `${job.result.provider}/${job.result.model}`],
    ["Asked for", asked && `${asked.provider}/${asked.model}, ${asked.quality}, ${asked.width} × ${asked.height}`],
    ["Seed", asked?.seed], ["Style", asked?.style], ["Not in the picture", asked?.negative_prompt],
    ["Placement", asked?.placement], ["Begun from", link("jobs", job.source_job_id)],
    ["Bound to its draft by", job.result?.consistency],
    ["Cost", job.cost && `${amount(job.cost.amount_usd)} (${job.cost.basis})`],
    ["Its final", offer && `${offer.provider}/${offer.model}, ${offer.width} × ${offer.height}, ${money(offer.price_usd)}`],
    ["Blog", link("blogs", job.blog_id)], ["Blog job", job.blog_job_id], ["Batch", link("batches", job.batch_id)],
    ["Draft", link("jobs", job.draft_job_id)], ["Round before", link("jobs", job.revision_of)],
    ["Tags", job.tags.join(", ")], ["Metadata", Object.entries(job.metadata).map(([name, value]) => `${name}: ${value}`).join(", ")],
    ["Asked", html`<time datetime=${job.created_at} title=${exactly(job.created_at)}>${ago(job.created_at)}</time>`],
  ];
  return html`<dl class="facts">${facts.filter(([, told]) => told !== undefined && told !== "" && told !== null && told !== false).map(([name, told]) => html`<div key=${name}><dt>${name}</dt><dd>${told}</dd></div>`)}</dl>`;
}
