// The types again, to hold against answers at run time. The compiler sees to it that each table
// names every field of its type, with the same optionality.

import type {
  BatchImageGenerationResponse,
  ImageGenerationJobResponse,
  ImageJobStatusResponse,
  ImageResult,
  ImageStreamUpdate,
} from './types.js';

export type Shape<T> = (value: unknown, path: string) => T;

interface Field<T, Optional extends boolean> {
  optional: Optional;
  shape: Shape<T>;
}

type IsOptional<T, K extends keyof T> = {} extends Pick<T, K> ? true : false;

type Fields<T> = { [K in keyof T]-?: Field<Exclude<T[K], undefined>, IsOptional<T, K>> };

export class ShapeError extends Error {}

function described(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

function accepting<T>(wanted: string, accepts: (value: unknown) => value is T): Shape<T> {
  return (value, path) => {
    if (!accepts(value)) {
      throw new ShapeError(`${path} is ${described(value)}, not ${wanted}`);
    }
    return value;
  };
}

const text = accepting('a string', (value): value is string => typeof value === 'string');
const flag = accepting('a boolean', (value): value is boolean => typeof value === 'boolean');
const amount = accepting('a number', (value): value is number => Number.isFinite(value));
const whole = accepting('a whole number', (value): value is number => Number.isInteger(value));
const moment = accepting(
  'a moment that `Date` reads',
  (value): value is string => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
);
const address = accepting(
  'an absolute URL',
  (value): value is string => typeof value === 'string' && /^https?:$/.test(new URL(value).protocol),
);
const percentage = accepting(
  'a whole number from 0 to 100',
  (value): value is number => Number.isInteger(value) && 0 <= Number(value) && Number(value) <= 100,
);

const STATUSES = ['pending', 'queued', 'processing', 'completed', 'failed'] as const;
const status = accepting(
  `one of ${STATUSES.join(', ')}`,
  (value): value is (typeof STATUSES)[number] => STATUSES.some((known) => known === value),
);

function list<T>(item: Shape<T>): Shape<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) {
      throw new ShapeError(`${path} is ${described(value)}, not a list`);
    }
    return value.map((entry, index) => item(entry, `${path}[${index}]`));
  };
}

/** An object with these fields; it may have others, and none of these may be null. */
function object<T>(fields: Fields<T>): Shape<T> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ShapeError(`${path} is ${described(value)}, not an object`);
    }
    const found = value as Record<string, unknown>;
    for (const [name, field] of Object.entries<Field<unknown, boolean>>(fields)) {
      if (!(field.optional && !(name in found))) {
        field.shape(found[name], `${path}.${name}`);
      }
    }
    return value as T;
  };
}

function always<T>(shape: Shape<T>): Field<T, false> {
  return { optional: false, shape };
}

function maybe<T>(shape: Shape<T>): Field<T, true> {
  return { optional: true, shape };
}

export const imageResult: Shape<ImageResult> = object<ImageResult>({
  success: always(flag),
  images: always(
    list(
      object<ImageResult['images'][number]>({
        url: always(address),
        width: always(whole),
        height: always(whole),
      }),
    ),
  ),
  generation_time_seconds: always(amount),
  provider: always(text),
  model: always(text),
  cost: always(amount),
});

export const acceptedJob: Shape<ImageGenerationJobResponse> = object<ImageGenerationJobResponse>({
  job_id: always(text),
  status: always(status),
  message: always(text),
  estimated_completion_time: maybe(whole),
  is_draft: always(flag),
});

export const polledJob: Shape<ImageJobStatusResponse> = object<ImageJobStatusResponse>({
  job_id: always(text),
  status: always(status),
  progress_percentage: always(percentage),
  current_stage: maybe(text),
  created_at: always(moment),
  started_at: maybe(moment),
  completed_at: maybe(moment),
  result: maybe(imageResult),
  error_message: maybe(text),
  estimated_time_remaining: maybe(whole),
  is_draft: always(flag),
  final_job_id: maybe(text),
});

const STAGES = ['queued', 'processing', 'generating', 'uploading', 'completed', 'error'] as const;
const stage = accepting(
  `one of ${STAGES.join(', ')}`,
  (value): value is (typeof STAGES)[number] => STAGES.some((known) => known === value),
);

export const streamUpdate: Shape<ImageStreamUpdate> = object<ImageStreamUpdate>({
  stage: always(stage),
  progress: always(percentage),
  message: always(text),
  job_id: always(text),
  status: always(status),
  data: always(
    object<ImageStreamUpdate['data']>({ result: maybe(imageResult), error: maybe(text) }),
  ),
});

export const acceptedBatch: Shape<BatchImageGenerationResponse> =
  object<BatchImageGenerationResponse>({
    batch_id: always(text),
    job_ids: always(list(text)),
    status: always(status),
    total_images: always(whole),
    estimated_completion_time: maybe(whole),
  });
