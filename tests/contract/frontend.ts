// The code of deployed frontends, as the contract 1.3.4 tells them to write it. The contract's
// polling helper never declares `attempts`; this one does.

import { apiClient } from './apiClient.js';
import type {
  BatchImageGenerationResponse,
  ImageGenerationJobResponse,
  ImageJobStatusResponse,
  ImageResult,
} from './types.js';

export async function pollJobStatus(jobId: string, maxWait = 300000): Promise<ImageResult> {
  const startTime = Date.now();
  let attempts = 0;

  while (Date.now() - startTime < maxWait) {
    const status = await apiClient.get<ImageJobStatusResponse>(`/api/v1/images/jobs/${jobId}`);

    if (status.data.status === 'completed') {
      return status.data.result!;
    }

    if (status.data.status === 'failed') {
      throw new Error(status.data.error_message);
    }

    // Exponential backoff
    const waitTime = Math.min(1000 * Math.pow(1.5, attempts), 10000);
    attempts += 1;
    await new Promise((resolve) => setTimeout(resolve, waitTime));
  }

  throw new Error('Job timeout');
}

export async function generateImageAsync() {
  // Create async job
  const job = await apiClient.post<ImageGenerationJobResponse>('/api/v1/images/generate-async', {
    prompt: 'Hero image for blog',
    quality: 'draft', // Fast preview
    aspect_ratio: '16:9',
  });

  // Poll for completion
  const result = await pollJobStatus(job.data.job_id);
  const imageUrl = result.images[0].url;
  return { job: job.data, imageUrl };
}

export async function generateBatch(blogId: string) {
  // Generate all images for a blog at once
  const batch = await apiClient.post<BatchImageGenerationResponse>('/api/v1/images/batch-generate', {
    images: [
      { prompt: 'Hero', quality: 'draft' },
      { prompt: 'Featured', quality: 'draft' },
    ],
    blog_id: blogId,
    workflow: 'draft_then_final',
  });

  // Poll all jobs
  const results = await Promise.all(batch.data.job_ids.map((id) => pollJobStatus(id)));
  return { batch: batch.data, results };
}

export async function generateSync() {
  // Blocks for 15+ seconds
  const response = await apiClient.post<ImageResult>('/api/v1/images/generate', {
    prompt: 'A hero image, made at once',
    quality: 'standard',
  });
  const imageUrl = response.data.images[0].url;
  return { imageUrl };
}

export async function draftThenFinal(userApproves: boolean) {
  // Step 1: Generate draft (fast, ~3 seconds)
  const draftJob = await apiClient.post<ImageGenerationJobResponse>(
    '/api/v1/images/generate-async',
    { prompt: 'Hero image', quality: 'draft' },
  );

  const draftResult = await pollJobStatus(draftJob.data.job_id);
  // Show draft to user for approval

  // Step 2: Generate final (high quality, ~15 seconds)
  if (userApproves) {
    const finalJob = await apiClient.post<ImageGenerationJobResponse>(
      '/api/v1/images/generate-async',
      { prompt: 'Hero image', quality: 'high' },
    );

    const finalResult = await pollJobStatus(finalJob.data.job_id);
    // Use final image
    return { draftJob: draftJob.data, draftResult, finalJob: finalJob.data, finalResult };
  }
  return { draftJob: draftJob.data, draftResult };
}

export async function startBlogBatch(blogId: string, blogImagePrompts: string[]) {
  // Generate all images for blog at once
  const batch = await apiClient.post<BatchImageGenerationResponse>('/api/v1/images/batch-generate', {
    images: blogImagePrompts.map((prompt) => ({
      prompt,
      quality: 'draft',
      aspect_ratio: '16:9',
    })),
    blog_id: blogId,
    workflow: 'draft_then_final',
  });
  return batch.data;
}

export async function showProgress(jobIds: string[]) {
  // Show progress
  const progress = await Promise.all(
    jobIds.map(async (jobId) => {
      const status = await apiClient.get<ImageJobStatusResponse>(`/api/v1/images/jobs/${jobId}`);
      return {
        jobId,
        progress: status.data.progress_percentage,
        status: status.data.status,
      };
    }),
  );
  return progress;
}

export async function generateOrFallBack(onOtherError: (error: unknown) => void) {
  const wanted = { prompt: 'Hero image, come what may', quality: 'standard' };
  try {
    const job = await apiClient.post<ImageGenerationJobResponse>(
      '/api/v1/images/generate-async',
      wanted,
    );
    const result = await pollJobStatus(job.data.job_id);
    return { fellBack: false, imageUrl: result.images[0].url };
  } catch (error: any) {
    if (error.response?.status === 500) {
      // Cloud Tasks not configured - fallback to synchronous
      const syncResult = await apiClient.post<ImageResult>('/api/v1/images/generate', wanted);
      return { fellBack: true, imageUrl: syncResult.data.images[0].url };
    } else {
      // Handle other errors
      onOtherError(error);
      throw error;
    }
  }
}
