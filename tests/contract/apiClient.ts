// What deployed frontends call: the part of axios that they use, on Node's fetch. Every answer with
// a known path is held against its type before the frontend sees it.

import {
  acceptedBatch,
  acceptedJob,
  imageResult,
  polledJob,
  streamUpdate,
  type Shape,
} from './shapes.js';
import type { ImageStreamUpdate } from './types.js';

const BASE_URL = process.env['DARKROOM_URL'] ?? '';

const SHAPES: ReadonlyArray<[method: string, path: RegExp, status: number, shape: Shape<unknown>]> =
  [
    ['POST', /^\/api\/v1\/images\/generate-async(\?|$)/, 202, acceptedJob],
    ['POST', /^\/api\/v1\/images\/batch-generate(\?|$)/, 202, acceptedBatch],
    ['POST', /^\/api\/v1\/images\/generate(\?|$)/, 200, imageResult],
    ['GET', /^\/api\/v1\/images\/jobs\/[^/]+$/, 200, polledJob],
  ];

export interface ApiResponse<T> {
  data: T;
  status: number;
}

/** An answer that is not 2xx, as axios throws it. */
export class ApiError extends Error {
  constructor(readonly response: ApiResponse<unknown>) {
    super(`Request failed with status code ${response.status}`);
  }
}

async function request<T>(method: string, path: string, body?: unknown): Promise<ApiResponse<T>> {
  const answer = await fetch(`${BASE_URL}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  const data: unknown = await answer.json();
  if (!answer.ok) {
    throw new ApiError({ data, status: answer.status });
  }
  for (const [wanted, known, status, shape] of SHAPES) {
    if (method === wanted && known.test(path)) {
      if (answer.status !== status) {
        throw new Error(`${method} ${path} answered ${answer.status}, not ${status}`);
      }
      shape(data, `${method} ${path}`);
    }
  }
  return { data: data as T, status: answer.status };
}

/** The updates of a stream, read as deployed frontends do: chunk by chunk, line by line. */
export async function* updatesOf(path: string, body: unknown): AsyncGenerator<ImageStreamUpdate> {
  const answer = await fetch(`${BASE_URL}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  });
  if (!answer.ok || answer.body === null) {
    throw new ApiError({ data: await answer.json(), status: answer.status });
  }
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    for (const line of decoder.decode(chunk.value).split('\n')) {
      if (line.startsWith('data: ')) {
        yield streamUpdate(JSON.parse(line.slice('data: '.length)), path);
      }
    }
  }
}

export const apiClient = {
  get: <T>(path: string) => request<T>('GET', path),
  post: <T>(path: string, body: unknown) => request<T>('POST', path, body),
  delete: <T>(path: string) => request<T>('DELETE', path),
};
