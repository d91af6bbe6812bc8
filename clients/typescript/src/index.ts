// The client for Darkroom, for browsers, Node and edge runtimes.

export type { components, paths } from './api.js';
export * from './client.js';
export {
  ConnectionFailed,
  DarkroomError,
  JobFailed,
  Refused,
  WaitedTooLong,
  WebhookInvalid,
} from './errors.js';
export type { SentEvent } from './events.js';
export type { Retries } from './pacing.js';
export { verifyWebhook, type DarkroomEvent } from './webhooks.js';
