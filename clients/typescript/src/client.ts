// The verbs, on top of what is generated from the API's own description.

import createFetchClient, { type Client as FetchClient } from 'openapi-fetch';

import type { components, paths } from './api.js';
import {
  ConnectionFailed,
  DarkroomError,
  JobFailed,
  refusal,
  Refused,
  retryAfterSeconds,
  WaitedTooLong,
} from './errors.js';
import { eventsOf, type SentEvent } from './events.js';
import { pauseMs, pollMs, RETRIES, sleep, type Retries } from './pacing.js';

export type Schemas = components['schemas'];
export type ImageRequest = Schemas['ImageRequest'];
export type Batch = Schemas['BatchRequestBody'];
export type Job = Schemas['ImageJobStatusResponse'];
export type BatchStatus = Schemas['BatchStatusAnswer'];
export type ImageResult = Schemas['ResultAnswer'];
export type AcceptedJob = Schemas['ImageGenerationJobResponse'];
export type AcceptedBatch = Schemas['BatchImageGenerationResponse'];
export type Approval = Schemas['ApproveBody'];
export type Rejection = Schemas['RejectBody'];

export interface Options {
  /** Where Darkroom is; '' for the origin of the page. */
  baseUrl: string;
  /** Keep it out of browsers: what is sent to one is everybody's. */
  apiKey?: string;
  retries?: Partial<Retries>;
  fetch?: (request: Request) => Promise<Response>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface PostOptions extends CallOptions {
  /** The same again starts nothing twice; one of its own for each call where none is given. */
  idempotencyKey?: string;
}

export interface PollOptions extends CallOptions {
  /** Milliseconds; 300,000 where it is not given. */
  maxWait?: number;
  onUpdate?: (job: Job) => void;
}

export interface StreamOptions extends CallOptions {
  lastEventId?: string;
  /** Until the image is there, or also the decision on it. */
  until?: 'completed' | 'decided';
}

interface Answer<T> {
  data?: T;
  response: Response;
}

const MAX_WAIT_MS = 300_000;

export type Darkroom = ReturnType<typeof createDarkroom>;

/** A client of one Darkroom. It keeps no state: make one, and use it everywhere. */
export function createDarkroom(options: Options) {
  const retries: Retries = { ...RETRIES, ...options.retries };
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request));
  const headers: Record<string, string> =
    options.apiKey === undefined ? {} : { Authorization: `Bearer ${options.apiKey}` };

  /** Fetch once; throws what is not 2xx. A request is made anew for each try. */
  async function fetched(request: Request): Promise<Response> {
    let answer: Response;
    try {
      answer = await send(request);
    } catch (error) {
      request.signal.throwIfAborted();
      throw new ConnectionFailed(`${options.baseUrl || 'Darkroom'} does not answer.`, {
        cause: error,
      });
    }
    if (!answer.ok) {
      throw await refusal(answer);
    }
    return answer;
  }

  async function again<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        const pause = pauseMs(retries, attempt, error);
        if (pause === undefined) {
          throw error;
        }
        await sleep(pause, signal);
      }
    }
  }

  const http: FetchClient<paths> = createFetchClient<paths>({
    baseUrl: options.baseUrl,
    headers,
    fetch: fetched,
  });

  async function told<T>(call: () => Promise<Answer<T>>, { signal }: CallOptions): Promise<T> {
    const { data } = await again(call, signal);
    if (data === undefined) {
      throw new DarkroomError('The server answered nothing.');
    }
    return data;
  }

  /** What every `POST` sends besides; made once, so that each try has the same key. */
  function once({ idempotencyKey, signal }: PostOptions) {
    const key = idempotencyKey ?? crypto.randomUUID();
    return { headers: { 'Idempotency-Key': key }, signal: signal ?? null };
  }

  /** Start a job; the answer names its `job_id` at once. */
  async function generateAsync(image: ImageRequest, post: PostOptions = {}): Promise<AcceptedJob> {
    const init = { ...once(post), body: image };
    return told(() => http.POST('/api/v1/images/generate-async', init), post);
  }

  /** Start many images; `job_ids` are in the order of `images`. */
  async function batchGenerate(batch: Batch, post: PostOptions = {}): Promise<AcceptedBatch> {
    const init = { ...once(post), body: batch };
    return told(() => http.POST('/api/v1/images/batch-generate', init), post);
  }

  /** Start a job that makes other pictures like one. */
  async function vary(wish: Schemas['VariationsBody'], post: PostOptions = {}): Promise<AcceptedJob> {
    const init = { ...once(post), body: wish };
    return told(() => http.POST('/api/v1/images/variations', init), post);
  }

  /** Start a job that changes a picture as its `prompt` says. */
  async function edit(wish: Schemas['EditBody'], post: PostOptions = {}): Promise<AcceptedJob> {
    const init = { ...once(post), body: wish };
    return told(() => http.POST('/api/v1/images/edit', init), post);
  }

  /** Start a job that makes a picture larger. */
  async function upscale(wish: Schemas['UpscaleBody'], post: PostOptions = {}): Promise<AcceptedJob> {
    const init = { ...once(post), body: wish };
    return told(() => http.POST('/api/v1/images/upscale', init), post);
  }

  /** Make an image and wait for it in one request. Sent once and without a key: see below. */
  async function generate(image: ImageRequest, { signal }: CallOptions = {}): Promise<ImageResult> {
    const init = { body: image, signal: signal ?? null };
    const { data } = await http.POST('/api/v1/images/generate', init);
    if (data === undefined) {
      throw new DarkroomError('The server answered nothing.');
    }
    return data;
  }

  /** Where a job stands. */
  async function job(jobId: string, call: CallOptions = {}): Promise<Job> {
    const init = { params: { path: { job_id: jobId } }, signal: call.signal ?? null };
    return told(() => http.GET('/api/v1/images/jobs/{job_id}', init), call);
  }

  /** Where a batch and each of its images stand. */
  async function batch(batchId: string, call: CallOptions = {}): Promise<BatchStatus> {
    const init = { params: { path: { batch_id: batchId } }, signal: call.signal ?? null };
    return told(() => http.GET('/api/v1/images/batches/{batch_id}', init), call);
  }

  /**
   * The result of a job, once it is there.
   *
   * Looks again when the server says (`Retry-After`), else after 1 s, 1.5 s, … up to 10 s. Throws
   * `JobFailed` with the job's `error_message`, and `WaitedTooLong` after `maxWait`.
   */
  async function pollJobStatus(jobId: string, poll: PollOptions = {}): Promise<ImageResult> {
    const deadline = Date.now() + (poll.maxWait ?? MAX_WAIT_MS);
    const init = { params: { path: { job_id: jobId } }, signal: poll.signal ?? null };
    for (let looks = 1; ; looks++) {
      const answer = await again(
        () => http.GET('/api/v1/images/jobs/{job_id}', init),
        poll.signal,
      );
      const found = answer.data;
      if (found !== undefined) {
        poll.onUpdate?.(found);
        if (found.status === 'failed') {
          throw new JobFailed(found);
        }
        if (found.status === 'completed' && found.result !== undefined) {
          return found.result;
        }
      }
      const pause = pollMs(looks, retryAfterSeconds(answer.response));
      if (Date.now() + pause > deadline) {
        throw new WaitedTooLong(jobId);
      }
      await sleep(pause, poll.signal);
    }
  }

  /**
   * Start a job and wait for it; while no job can be started, have the image made at once.
   *
   * The fallback goes without a key, as deployed frontends do on 500: with one, Darkroom would
   * refuse to render while nobody can remember it. This is where two images may come of one wish.
   */
  async function generateOrFallBack(
    image: ImageRequest,
    both: PollOptions & PostOptions = {},
  ): Promise<ImageResult> {
    let accepted: AcceptedJob;
    try {
      accepted = await generateAsync(image, both);
    } catch (error) {
      if (error instanceof Refused && error.status === 500) {
        return generate(image, both);
      }
      throw error;
    }
    return pollJobStatus(accepted.job_id, both);
  }

  /**
   * The events of a job, or of a batch, each with what a poll would be answered.
   *
   * A stream that breaks is taken up again behind the last event. Leave the loop to stop it.
   */
  async function* stream<T extends Job | BatchStatus = Job>(
    id: string,
    { lastEventId, until = 'completed', signal }: StreamOptions = {},
  ): AsyncGenerator<SentEvent<T>> {
    const kind = /^bat_[^-]+$/.test(id) ? 'batches' : 'jobs';
    const path = `/api/v1/images/${kind}/${encodeURIComponent(id)}/events?until=${until}`;
    let seen = lastEventId;
    let failures = 0;
    for (;;) {
      let heard = false;
      let broken: unknown = new ConnectionFailed('The stream ends before the job does.');
      try {
        const resumed = seen === undefined ? {} : { 'Last-Event-ID': seen };
        const answer = await fetched(
          new Request(absolute(options.baseUrl, path), {
            headers: { ...headers, ...resumed, Accept: 'text/event-stream' },
            signal: signal ?? null,
          }),
        );
        if (answer.status === 204 || answer.body === null) {
          return;
        }
        for await (const event of eventsOf<T>(answer.body)) {
          heard = true;
          failures = 0;
          seen = event.id || seen;
          yield event;
          if (until === 'completed' && (event.name === 'completed' || event.name === 'failed')) {
            return;
          }
        }
      } catch (error) {
        signal?.throwIfAborted();
        // A body that breaks off is a plain TypeError in every runtime.
        broken = error instanceof DarkroomError ? error : new ConnectionFailed(String(error));
      }
      failures += heard ? 0 : 1;
      const pause = pauseMs(retries, failures, broken);
      if (pause === undefined) {
        throw broken;
      }
      await sleep(pause, signal);
    }
  }

  /** Approve a draft; the answer names its final. */
  async function approve(jobId: string, approval: Approval = {}, post: PostOptions = {}) {
    const init = { ...once(post), params: { path: { job_id: jobId } }, body: approval };
    return told(() => http.POST('/api/v1/images/jobs/{job_id}/approve', init), post);
  }

  /** Reject a draft; with `revise` the next round starts, and the answer names it. */
  async function reject(jobId: string, rejection: Rejection = {}, post: PostOptions = {}) {
    const init = { ...once(post), params: { path: { job_id: jobId } }, body: rejection };
    return told(() => http.POST('/api/v1/images/jobs/{job_id}/reject', init), post);
  }

  /** Cancel a job that has not ended. */
  async function cancel(jobId: string, post: PostOptions = {}): Promise<Job> {
    const init = { ...once(post), params: { path: { job_id: jobId } } };
    return told(() => http.POST('/api/v1/images/jobs/{job_id}/cancel', init), post);
  }

  return {
    /** Everything else that the API has, typed; throws as the verbs do, and tries once. */
    http,
    approve,
    batch,
    batchGenerate,
    cancel,
    edit,
    generate,
    generateAsync,
    generateOrFallBack,
    job,
    pollJobStatus,
    reject,
    stream,
    upscale,
    vary,
  };
}

/** `Request` takes an absolute address only, outside of browsers. */
function absolute(baseUrl: string, path: string): string {
  return `${baseUrl.replace(/\/+$/, '')}${path}`;
}
