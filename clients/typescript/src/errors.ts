// What the client throws. Each carries what a program needs to decide; its message is for people.

import type { components } from './api.js';

type Job = components['schemas']['ImageJobStatusResponse'];
type FieldProblem = components['schemas']['FieldProblem'];

/** The root of everything that is thrown here. */
export class DarkroomError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Nothing answers at the address, also after every try. */
export class ConnectionFailed extends DarkroomError {}

/** An answer that is not 2xx (RFC 9457): `code` is stable, the message is its `detail`. */
export class Refused extends DarkroomError {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly errors: FieldProblem[],
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(message);
  }

  /** No job can be started now; `generate` may still make the image. */
  get isQueueUnavailable(): boolean {
    return this.status === 500 && this.code === 'queue_unavailable';
  }

  /** Whether the same request may fare better a moment later. */
  get isWorthAnother(): boolean {
    return PASSING.has(this.code) || (this.code === '' && GATEWAYS.has(this.status));
  }
}

/** The job ended without an image; the message is its `error_message`. */
export class JobFailed extends DarkroomError {
  readonly code: string;

  constructor(readonly job: Job) {
    super(job.error_message ?? 'The job failed.');
    this.code = job.error?.code ?? 'internal';
  }
}

/** The time to wait is over; the job goes on. */
export class WaitedTooLong extends DarkroomError {
  constructor(readonly jobId: string) {
    super('Job timeout');
  }
}

/** The message is not by who knows the secret, or not of the last minutes. */
export class WebhookInvalid extends DarkroomError {}

const PASSING = new Set([
  'queue_unavailable',
  'status_unavailable',
  'storage_unavailable',
  'too_many_requests',
  'idempotency_in_flight',
]);
// Without a code an answer is not Darkroom's: a proxy in front of it has lost its way.
const GATEWAYS = new Set([429, 502, 503, 504]);

/** The error of an answer that is not 2xx. */
export async function refusal(answer: Response): Promise<Refused> {
  const told: unknown = await answer.json().catch(() => undefined);
  const problem = (typeof told === 'object' && told !== null ? told : {}) as Partial<
    components['schemas']['Problem']
  >;
  return new Refused(
    problem.detail ?? `The server answered ${answer.status}.`,
    answer.status,
    problem.code ?? '',
    problem.errors ?? [],
    retryAfterSeconds(answer),
  );
}

/** Seconds, where the answer names them. */
export function retryAfterSeconds(answer: Response): number | undefined {
  const header = answer.headers.get('Retry-After');
  const seconds = header === null ? NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
