// `node run.js FLOW`: runs one flow against `DARKROOM_URL` and prints what it gave as JSON.

import { ApiError, apiClient, updatesOf } from './apiClient.js';
import {
  draftThenFinal,
  generateBatch,
  generateImageAsync,
  generateOrFallBack,
  generateSync,
  pollJobStatus,
  showProgress,
  startBlogBatch,
} from './frontend.js';
import type { ImageGenerationJobResponse, ImageStreamUpdate } from './types.js';

type Progress = Awaited<ReturnType<typeof showProgress>>;

const PROMPTS = ['A harbour', 'A forest', 'A desert', 'A city', 'A glacier', 'A meadow'];

/** Look at a batch's progress as often as a progress bar would, until all of it is done. */
async function watchProgress() {
  const batch = await startBlogBatch('blog-with-a-bar', PROMPTS);
  const looks: Progress[] = [];
  do {
    looks.push(await showProgress(batch.job_ids));
    await new Promise((resolve) => setTimeout(resolve, 500));
  } while (!looks.at(-1)!.every(({ status }) => status === 'completed' || status === 'failed'));
  return { batch, looks };
}

/** What a poller of a job is told that was called off. */
async function pollCancelled() {
  const job = await apiClient.post<ImageGenerationJobResponse>('/api/v1/images/generate-async', {
    prompt: 'Never mind',
    quality: 'ultra',
  });
  await apiClient.delete(`/api/v1/images/jobs/${job.data.job_id}`);
  return pollJobStatus(job.data.job_id).then(
    () => ({ thrown: null }),
    (error: unknown) => ({ thrown: error instanceof Error ? error.message : String(error) }),
  );
}

/** What deployed callers really send: a vendor's name, both spellings, a size and a ratio. */
async function generateAsDeployed() {
  const job = await apiClient.post<ImageGenerationJobResponse>(
    '/api/v1/images/generate-async?blog_id=blog-in-the-query&blog_job_id=7',
    {
      prompt: 'A vineyard in autumn',
      provider: 'stability_ai',
      quality: 'standard',
      aspectRatio: '16:9',
      width: 1920,
      height: 1080,
      style: 'digital_art',
      negativePrompt: 'people',
      unheard_of: { nested: true },
    },
  );
  return { job: job.data, result: await pollJobStatus(job.data.job_id) };
}

/** Everything that a stream tells of an image's making. */
async function generateWithStream() {
  const updates: ImageStreamUpdate[] = [];
  const body = { prompt: 'A pier in the rain', quality: 'draft', aspect_ratio: '16:9' };
  for await (const update of updatesOf('/api/v1/images/generate/stream', body)) {
    updates.push(update);
  }
  return updates;
}

/** What is thrown for a request that is refused, and for a job that nobody knows. */
async function fail() {
  const refused = await generateOrFail({ prompt: '', quality: 'draft' });
  const unknown = await pollJobStatus('img_000000000000000000000000').catch(statusOf);
  return { refused, unknown };
}

async function generateOrFail(body: unknown) {
  return apiClient.post('/api/v1/images/generate-async', body).catch(statusOf);
}

function statusOf(error: unknown) {
  if (error instanceof ApiError) {
    return error.response;
  }
  throw error;
}

const FLOWS: Record<string, () => Promise<unknown>> = {
  single: generateImageAsync,
  batch: () => generateBatch('blog-1'),
  sync: generateSync,
  'draft-then-final': () => draftThenFinal(true),
  progress: watchProgress,
  stream: generateWithStream,
  fallback: () => generateOrFallBack((error) => console.error('Image generation failed:', error)),
  cancelled: pollCancelled,
  deployed: generateAsDeployed,
  fail,
};

const flow = FLOWS[process.argv[2] ?? ''];
if (flow === undefined) {
  throw new Error(`there is no flow '${process.argv[2]}', only ${Object.keys(FLOWS).join(', ')}`);
}
process.stdout.write(JSON.stringify(await flow()));
