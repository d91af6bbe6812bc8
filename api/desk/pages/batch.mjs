// One batch: how far it is, what it cost, and each of its images.

import { call, follow, post } from "../api.mjs";
import { amount, count, exactly } from "../format.mjs";
import { html, useEffect, useState } from "../html.mjs";
import { Icon } from "../icons.mjs";
import { nudge } from "../live.mjs";
import { to } from "../router.mjs";
import { may } from "../session.mjs";
import { Confirm, CopyButton, Failed, Id, Progress, Skeleton, Status, Title, say, stateName, useLoaded } from "../ui.mjs";
import { Deliveries } from "../webhooks.mjs";

function useBatch(id) {
  const loaded = useLoaded((signal) => call(`batches/${id}`, { signal }), [id]);
  const [told, setTold] = useState();
  useEffect(() => {
    const controller = new AbortController();
    follow(`batches/${id}/events`, { until: "decided" }, (_, answer) => setTold(answer), controller.signal);
    return () => controller.abort();
  }, [id]);
  return { ...loaded, value: told ?? loaded.value };
}

export function Batch({ id }) {
  const { value: batch, error, again } = useBatch(id);
  const [asking, setAsking] = useState(null);
  if (!batch) {
    return html`<${Title}>Batch<//>${error ? html`<${Failed} error=${error} again=${again} />` : html`<${Skeleton} rows="4" />`}`;
  }
  const isOver = ["completed", "failed"].includes(batch.status);
  const awaiting = batch.review_counts.awaiting ?? 0;
  const counts = [...Object.entries(batch.counts), ...Object.entries(batch.review_counts)];
  const decide = (verb) => async () => {
    const answer = await post(`batches/${id}/${verb}`);
    say(`${count(answer.decided, "draft")} ${verb === "approve" ? "approved" : "rejected"}.`);
    nudge();
  };
  const cancel = async () => {
    await call(`batches/${id}`, { method: "DELETE" });
    say("Cancelled. Images that are made stay.");
    again();
  };
  return html`
    <${Title} lead=${html`<${Id} id=${batch.batch_id} />`} aside=${html`
      ${awaiting > 0 && html`<a class="button primary" href=${to("review")}>Review ${awaiting}</a>`}
      ${awaiting > 0 && may("review") && html`<button onClick=${() => setAsking("reject")}><${Icon} name="reject" />Reject all ${awaiting}</button>`}
      ${!isOver && may("generate") && html`<button onClick=${() => setAsking("cancel")}>Cancel</button>`}
      ${batch.links.temporal_ui && html`<a class="button" href=${batch.links.temporal_ui} target="_blank" rel="noopener noreferrer">Temporal<${Icon} name="link" /></a>`}`}>
      Batch of ${batch.total_images}<//>
    <div class="summary card">
      <${Progress} value=${batch.progress_percentage} label="The batch" />
      <dl class="stats">${counts.filter(([, total]) => total > 0).map(([state, total]) => html`<div key=${state}><dt>${stateName(state)}</dt><dd>${total}</dd></div>`)}
        <div><dt>Cost</dt><dd>${amount(batch.cost.amount_usd)}</dd></div>
        <div><dt>Blog</dt><dd>${batch.blog_id ? html`<a href=${to("blogs", batch.blog_id)}>${batch.blog_id}</a>` : "–"}</dd></div></dl>
      <p class="edge mono">asked ${exactly(batch.created_at)}${batch.completed_at && ` · completed ${exactly(batch.completed_at)}`} · ${batch.workflow === "final_only" ? "finals at once" : "drafts first"}</p>
    </div>
    <ul class="tiles">${batch.jobs.map((job, index) => html`<li key=${job.job_id}><a href=${to("jobs", job.final_job_id ?? job.revision_job_id ?? job.job_id)}>
      <div class="mat square">${job.final_url ?? job.url ? html`<img src=${job.final_url ?? job.url} alt=${`Image ${index + 1}`} loading="lazy" decoding="async" />` : html`<span class="mono">${String(index + 1).padStart(2, "0")}</span>`}</div>
      <${Status} state=${job.final_status === "completed" ? "completed" : (job.review_state ?? job.status)} />${job.error_code && html`<span class="problem mono">${job.error_code}</span>`}</a></li>`)}</ul>
    <section class="card"><h2>Webhooks</h2><${Deliveries} path=${`batches/${id}`} state=${batch.status} /></section>
    <details class="card"><summary>Raw answer</summary><div class="raw"><${CopyButton} text=${() => JSON.stringify(batch, null, 2)} /><pre tabindex="0">${JSON.stringify(batch, null, 2)}</pre></div></details>
    ${asking === "reject" && html`<${Confirm} title=${`Reject ${count(awaiting, "draft")}?`} verb="Reject for good" isBad onConfirm=${decide("reject")} onClose=${() => setAsking(null)}><p>They cannot be approved afterwards.</p><//>`}
    ${asking === "cancel" && html`<${Confirm} title="Cancel what is not finished?" verb="Cancel the batch" isBad onConfirm=${cancel} onClose=${() => setAsking(null)}><p>Images that are made stay. What a vendor has begun may still be billed.</p><//>`}`;
}
