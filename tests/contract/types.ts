// The types that deployed frontends were compiled with, field for field as the contract 1.3.4 has them.

export interface ImageGenerationJobResponse {
  job_id: string;
  status: 'pending' | 'queued' | 'processing' | 'completed' | 'failed';
  message: string;
  estimated_completion_time?: number;
  is_draft: boolean;
}

export interface ImageJobStatusResponse {
  job_id: string;
  status: 'pending' | 'queued' | 'processing' | 'completed' | 'failed';
  progress_percentage: number;
  current_stage?: string;
  created_at: string;
  started_at?: string;
  completed_at?: string;
  result?: {
    success: boolean;
    images: Array<{
      url: string;
      width: number;
      height: number;
    }>;
    generation_time_seconds: number;
    provider: string;
    model: string;
    cost: number;
  };
  error_message?: string;
  estimated_time_remaining?: number;
  is_draft: boolean;
  final_job_id?: string;
}

export interface BatchImageGenerationResponse {
  batch_id: string;
  job_ids: string[];
  status: 'pending' | 'queued' | 'processing' | 'completed' | 'failed';
  total_images: number;
  estimated_completion_time?: number;
}

// One line of `generate/stream`, by the names that deployed frontends read.
export interface ImageStreamUpdate {
  stage: 'queued' | 'processing' | 'generating' | 'uploading' | 'completed' | 'error';
  progress: number;
  message: string;
  job_id: string;
  status: 'pending' | 'queued' | 'processing' | 'completed' | 'failed';
  data: { result?: ImageResult; error?: string };
}

// `generate` answers with the result itself: the contract shows `response.data.images[0].url`.
export type ImageResult = NonNullable<ImageJobStatusResponse['result']>;
