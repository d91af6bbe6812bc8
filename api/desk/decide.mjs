// An editor's decisions, sent; each tells what has come of it.

import { described, post } from "./api.mjs";
import { count } from "./format.mjs";
import { look, nudge } from "./live.mjs";
import { to } from "./router.mjs";
import { reviewer } from "./session.mjs";
import { say } from "./ui.mjs";

const signed = (body) => ({ ...body, ...(reviewer.get().trim() ? { reviewer: reviewer.get().trim() } : {}) });

/** Whether one of a draft's several images can be chosen. */
export const canChoose = () => described.field("ApproveBody", "image_index");

export async function approve(job, { image, quality } = {}) {
  const body = { ...(quality ? { final: { quality } } : {}), ...(image === undefined ? {} : { image_index: image }) };
  const answer = await post(`jobs/${job.job_id}/approve`, signed(body));
  say("Approved. The final is being made.", { action: { label: "Watch it", href: to("jobs", answer.final_job_id) } });
  await Promise.allSettled([look(job.job_id), look(answer.final_job_id)]);
  nudge();
}

export async function reject(job, { comment, revise } = {}) {
  const answer = await post(`jobs/${job.job_id}/reject`, signed({ ...(comment ? { comment } : {}), ...(revise ? { revise } : {}) }));
  say(answer.revision_job_id ? "Sent back. The next round is being made." : "Rejected. Nothing follows.");
  await Promise.allSettled([job.job_id, answer.revision_job_id].filter(Boolean).map(look));
  nudge();
}

/** Approve drafts, those of a batch in one request. */
export async function approveAll(jobs) {
  const outcomes = jobs[0].batch_id
    ? (await post(`batches/${jobs[0].batch_id}/approve`, signed({ job_ids: jobs.map((job) => job.job_id) }))).results
    : await oneByOne(jobs);
  const approved = outcomes.filter(({ outcome }) => outcome === "approved").length;
  say(`${count(approved, "draft")} approved. The finals are being made.`);
  const left = outcomes.find(({ outcome }) => outcome !== "approved");
  if (left) say(`${count(outcomes.length - approved, "draft")} could not be approved: ${left.detail}`, { tone: "bad" });
  await Promise.allSettled(jobs.map((job) => look(job.job_id)));
  nudge();
}

async function oneByOne(jobs) {
  const outcomes = [];
  for (const job of jobs) {
    try {
      await post(`jobs/${job.job_id}/approve`, signed({}));
      outcomes.push({ outcome: "approved" });
    } catch (error) {
      outcomes.push({ outcome: "refused", detail: error.message });
    }
  }
  return outcomes;
}

export async function retry(job) {
  const answer = await post(`jobs/${job.job_id}/retry`);
  say("Started again, as a job of its own.", { action: { label: "Watch it", href: to("jobs", answer.job_id) } });
  await Promise.allSettled([look(job.job_id), look(answer.job_id)]);
  nudge();
  return answer.job_id;
}

export async function cancel(job) {
  const answer = await post(`jobs/${job.job_id}/cancel`);
  say(answer.cancellation === "too_late" ? "Too late: the image is paid for, and kept." : "Cancelled.");
  await look(job.job_id).catch(() => {});
}
