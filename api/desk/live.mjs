// What the desk knows of jobs, kept up to date: lists tell which there are, streams how far they are.

import { Lost, call, connection, follow, rest } from "./api.mjs";
import { may, session } from "./session.mjs";
import { store } from "./store.mjs";

const STREAMS = 3; // A browser opens six connections to a server, and images want some too.
const IDLE_MS = 5_000;
const BUSY_MS = 2_000;
const PAGE = 200;
const WORKING = ["queued", "processing"];

/**
 * `jobs` by id, as a list tells them, with `images` where they are known; `shown` are those that
 * belong on the review page: awaiting, in work, or decided since it was opened.
 */
export const desk = store({ jobs: {}, shown: new Set(), isLoaded: false, error: null });

export const isWorking = (job) => job.status === "pending" || WORKING.includes(job.status);
export const isAwaiting = (job) => job.status === "completed" && job.review?.state === "awaiting";

/** A job's answer, as a list would tell it. */
function listed(answer) {
  const { result, attempts, ...job } = answer;
  if (!result) return job;
  const [first] = result.images;
  return {
    ...job,
    provider: result.provider,
    model: result.model,
    consistency: result.consistency,
    images: result.images,
    image_count: result.images.length,
    url: first.url,
    width: first.width,
    height: first.height,
    thumbhash: first.thumbhash,
    dominant_color: first.dominant_color,
    alt_text: first.alt_text,
  };
}

/** Take over what was told of jobs; none goes back from its end. */
function learn(told, { show = true } = {}) {
  desk.set((known) => {
    const jobs = { ...known.jobs };
    const shown = new Set(known.shown);
    for (const job of told) {
      const last = jobs[job.job_id];
      const isOlder = last && !isWorking(last) && isWorking(job);
      const isUndone = last?.review && last.review.state !== "awaiting" && job.review?.state === "awaiting";
      if (isOlder || isUndone) continue;
      jobs[job.job_id] = {
        ...last,
        ...job,
        progress_percentage: Math.max(job.progress_percentage ?? 0, last?.progress_percentage ?? 0),
      };
      if (show && (isWorking(job) || isAwaiting(job))) shown.add(job.job_id);
    }
    return { ...known, jobs, shown };
  });
}

/** Ask for one job now. */
export async function look(jobId) {
  const answer = await call(`jobs/${jobId}`);
  learn([listed(answer)]);
  return answer;
}

export const take = (answer) => learn([listed(answer)], { show: false });

async function all(query) {
  const jobs = [];
  let cursor;
  do {
    const page = await call("jobs", { query: { ...query, limit: PAGE, cursor } });
    jobs.push(...page.jobs);
    cursor = page.next_cursor;
  } while (cursor && jobs.length < 5 * PAGE);
  return jobs;
}

let refreshing;

/** Ask for all that waits and works; who asks meanwhile shares the answer. */
export function refresh() {
  refreshing ??= load().finally(() => { refreshing = undefined; });
  return refreshing;
}

async function load() {
  try {
    const [awaiting, ...working] = await Promise.all([
      all({ review: "awaiting" }),
      ...WORKING.map((status) => all({ status })),
    ]);
    const told = [...working.flat(), ...awaiting];
    learn(told);
    await settle(new Set(told.map((job) => job.job_id)));
    desk.set((known) => ({ ...known, isLoaded: true, error: null }));
  } catch (error) {
    desk.set((known) => ({ ...known, error }));
    throw error;
  }
}

/** What was waiting or working and is no longer listed has ended, or was decided elsewhere. */
async function settle(listedIds) {
  const { jobs, shown } = desk.get();
  const gone = [...shown].filter(
    (id) => !listedIds.has(id) && (isWorking(jobs[id]) || isAwaiting(jobs[id])),
  );
  await Promise.all(gone.slice(0, 20).map((id) => look(id).catch((error) => {
    if (error instanceof Lost) throw error;
  })));
}

const followed = new Map();

/** Open streams for what works now, batches first, and close those of what has ended. */
function followWork() {
  const { jobs, shown } = desk.get();
  const wanted = new Set();
  const working = [...shown].map((id) => jobs[id]).filter(isWorking);
  for (const job of working) {
    if (job.batch_id && job.is_draft) wanted.add(`batches/${job.batch_id}`);
  }
  for (const job of working) wanted.add(`jobs/${job.job_id}`);
  const chosen = [...wanted].slice(0, STREAMS);
  for (const [path, controller] of followed) {
    if (!chosen.includes(path)) {
      controller.abort();
      followed.delete(path);
    }
  }
  for (const path of chosen) {
    if (followed.has(path)) continue;
    const controller = new AbortController();
    followed.set(path, controller);
    follow(`${path}/events`, { until: "completed" }, (_, data) => heard(data), controller.signal)
      .then(() => nudge());
  }
}

function heard(data) {
  if (data.job_id) learn([listed(data)]);
  else {
    batches.set((known) => ({ ...known, [data.batch_id]: data }));
    nudge();
  }
}

/** Batches as their streams told them last, by id. */
export const batches = store({});

let asleep;

/** Refresh soon. */
export function nudge() {
  asleep?.abort();
}

/** Keep all of it up to date for as long as somebody is signed in. */
export function keepUp() {
  desk.watch(followWork);
  addEventListener("online", nudge);
  document.addEventListener("visibilitychange", () => document.hidden || nudge());
  session.watch(({ state }) => {
    if (state === "in") nudge();
    else if (state === "out") {
      for (const controller of followed.values()) controller.abort();
      followed.clear();
      batches.set({});
      desk.set({ jobs: {}, shown: new Set(), isLoaded: false, error: null });
    }
  });
  void (async () => {
    for (;;) {
      if (session.get().state === "in" && may("read") && !document.hidden) {
        await refresh().catch(() => {});
      }
      const isBusy = [...desk.get().shown].some((id) => isWorking(desk.get().jobs[id]));
      const isWell = connection.get().state === "live";
      asleep = new AbortController();
      await rest(isBusy || !isWell ? BUSY_MS : IDLE_MS, asleep.signal);
      await rest(300);
    }
  })();
}

/** Take decided drafts and what has come of them off the review page. */
export function tidy() {
  desk.set((known) => ({
    ...known,
    shown: new Set([...known.shown].filter((id) => isWorking(known.jobs[id]) || isAwaiting(known.jobs[id]))),
  }));
}
