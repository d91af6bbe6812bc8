// How long to wait: between the tries of a request, and between two looks at a job.

import { ConnectionFailed, Refused } from './errors.js';

export interface Retries {
  /** How often a request is sent at most. */
  attempts: number;
  firstPauseMs: number;
  longestPauseMs: number;
}

export const RETRIES: Retries = { attempts: 4, firstPauseMs: 500, longestPauseMs: 30_000 };

/** Before the next try after `attempt`, counted from 1; undefined where there is none. */
export function pauseMs(retries: Retries, attempt: number, error: unknown): number | undefined {
  const isWorthIt = error instanceof Refused ? error.isWorthAnother : error instanceof ConnectionFailed;
  if (!isWorthIt || attempt >= retries.attempts) {
    return undefined;
  }
  if (error instanceof Refused && error.retryAfterSeconds !== undefined) {
    const asked = error.retryAfterSeconds * 1000;
    return asked <= retries.longestPauseMs ? asked : undefined;
  }
  const pause = Math.min(retries.firstPauseMs * 2 ** Math.max(attempt - 1, 0), retries.longestPauseMs);
  return pause * (0.5 + Math.random() / 2);
}

/** Before the next look after `looks` of them: the server's word, else 1 s × 1.5 up to 10 s. */
export function pollMs(looks: number, retryAfterSeconds: number | undefined): number {
  if (retryAfterSeconds !== undefined) {
    return Math.min(Math.max(retryAfterSeconds, 0.1), 60) * 1000;
  }
  return Math.min(1000 * 1.5 ** Math.min(looks - 1, 10), 10_000);
}

/** Resolves after a while; rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
