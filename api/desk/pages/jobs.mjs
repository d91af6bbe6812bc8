// All jobs, newest first, found by what they are for.

import { call } from "../api.mjs";
import { ago, amount, exactly } from "../format.mjs";
import { html, useState } from "../html.mjs";
import { go, to } from "../router.mjs";
import { Empty, JobStatus, Loaded, Picture, Title, useAction, useLoaded } from "../ui.mjs";

const STATES = ["queued", "processing", "completed", "failed"];
const REVIEWS = ["awaiting", "approved", "rejected", "expired"];
const FILTERS = ["status", "review", "blog_id", "batch_id", "provider", "tag"];
const PAGE = 40;

export function Jobs({ query }) {
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const first = useLoaded((signal) => call("jobs", { query: { ...asked, limit: PAGE }, signal }), FILTERS.map((name) => asked[name]));
  const ask = (event) => {
    event.preventDefault();
    go("jobs", Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, value.trim()])));
  };
  const now = (event) => event.currentTarget.form.requestSubmit();
  return html`<${Title} lead="Newest first, as long as the engine keeps them.">Jobs<//>
    <form class="filters" onSubmit=${ask} key=${query.toString()} role="search" aria-label="Jobs">
      <${Choice} name="status" label="Status" options=${STATES} value=${asked.status} onChange=${now} />
      <${Choice} name="review" label="Review" options=${REVIEWS} value=${asked.review} onChange=${now} />
      ${[["blog_id", "Blog"], ["provider", "Provider"], ["tag", "Tag"]].map(([name, label]) => html`<label key=${name}>${label}
        <input name=${name} value=${asked[name]} onChange=${now} size="12" /></label>`)}
      ${asked.batch_id && html`<label>Batch <input name="batch_id" value=${asked.batch_id} onChange=${now} /></label>`}
      <button class="visually-hidden">Find</button>
      ${FILTERS.some((name) => asked[name]) && html`<a class="button quiet" href=${to("jobs")}>Clear</a>`}
    </form>
    <${Loaded} of=${first} rows="8">${(page) => html`<${Pages} key=${query.toString()} first=${page} asked=${asked} />`}<//>`;
}

function Choice({ name, label, options, value, onChange }) {
  return html`<label>${label} <select name=${name} value=${value} onChange=${onChange}><option value="">any</option>
    ${options.map((each) => html`<option key=${each} selected=${each === value}>${each}</option>`)}</select></label>`;
}

function Pages({ first, asked }) {
  const [jobs, setJobs] = useState(first.jobs);
  const [cursor, setCursor] = useState(first.next_cursor);
  const [isRunning, more] = useAction(async () => {
    const page = await call("jobs", { query: { ...asked, limit: PAGE, cursor } });
    setJobs([...jobs, ...page.jobs]);
    setCursor(page.next_cursor);
  });
  if (!jobs.length && !cursor) {
    return html`<${Empty} title="No jobs"><p>${Object.values(asked).some(Boolean) ? "None fits all that is asked." : "Nothing was asked for yet."}</p><//>`;
  }
  return html`<${JobTable} jobs=${jobs} />
    ${cursor && html`<p class="more"><button disabled=${isRunning} onClick=${more}>${isRunning ? "Loading…" : "Older jobs"}</button></p>`}`;
}

export function JobTable({ jobs }) {
  return html`<div class="table-wrap" tabindex="0" role="region" aria-label="Jobs"><table class="jobs"><thead><tr><th scope="col">Image</th><th scope="col">Job</th><th scope="col">State</th><th scope="col">Blog</th><th scope="col">Model</th><th scope="col" class="number">Cost</th><th scope="col">Asked</th></tr></thead>
    <tbody>${jobs.map((job) => html`<tr key=${job.job_id}>
      <td class="thumb">${job.url ? html`<${Picture} image=${{ ...job, alt_text: "" }} src=${job.thumbnail_url ?? job.url} />` : html`<div class="picture blank" />`}</td>
      <td class="what"><a href=${to("jobs", job.job_id)}>${job.title ?? job.alt_text ?? job.job_id}</a><span class="mono id">${job.job_id}</span></td>
      <td><${JobStatus} job=${job} /><span class="kind">${job.is_draft ? "draft" : job.draft_job_id ? "final" : ""}</span></td>
      <td>${job.blog_id && html`<a href=${to("blogs", job.blog_id)}>${job.blog_id}</a>`}</td>
      <td class="mono">${job.provider}/${job.model}</td>
      <td class="number mono">${job.cost ? amount(job.cost.amount_usd) : "–"}</td>
      <td><time datetime=${job.created_at} title=${exactly(job.created_at)}>${ago(job.created_at)}</time></td></tr>`)}</tbody></table></div>`;
}
