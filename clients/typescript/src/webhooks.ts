// Whether a webhook is Darkroom's: Standard Webhooks 1.0, symmetric signatures, by Web Crypto.

import { WebhookInvalid } from './errors.js';

export interface DarkroomEvent {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

type Headers_ = Headers | Record<string, string | string[] | undefined>;

const TOLERANCE_SECONDS = 300;

/**
 * The message, once it is certain that who knows the secret sent it in the last minutes.
 *
 * `body` as it came, before anything parsed it. Throws `WebhookInvalid`.
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: Headers_,
  secret: string,
  now = Date.now(),
): Promise<DarkroomEvent> {
  const id = header(headers, 'webhook-id');
  const sentAt = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature')?.split(' ');
  if (id === undefined || sentAt === undefined || signatures === undefined) {
    throw new WebhookInvalid("The webhook's headers are missing.");
  }
  if (!/^\d+$/.test(sentAt) || Math.abs(now / 1000 - Number(sentAt)) > TOLERANCE_SECONDS) {
    throw new WebhookInvalid('The webhook was not sent in the last five minutes.');
  }
  const encoder = new TextEncoder();
  const content = typeof body === 'string' ? encoder.encode(body) : body;
  const head = encoder.encode(`${id}.${sentAt}.`);
  const signed = new Uint8Array(head.length + content.length);
  signed.set(head);
  signed.set(content, head.length);
  const key = await crypto.subtle.importKey(
    'raw',
    bytesOf(secret.replace(/^whsec_/, '')),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  );
  for (const each of signatures) {
    // `verify` compares in constant time.
    const [version, signature = ''] = each.split(',', 2);
    if (version === 'v1' && (await matches(key, signature, signed))) {
      return JSON.parse(new TextDecoder().decode(content)) as DarkroomEvent;
    }
  }
  throw new WebhookInvalid("The webhook's signature is not by this secret.");
}

async function matches(key: CryptoKey, signature: string, signed: Uint8Array<ArrayBuffer>) {
  try {
    return await crypto.subtle.verify('HMAC', key, bytesOf(signature), signed);
  } catch {
    return false;
  }
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function header(headers: Headers_, name: string): string | undefined {
  if (headers instanceof Headers) {
    return headers.get(name) ?? undefined;
  }
  const found = Object.entries(headers).find(([known]) => known.toLowerCase() === name)?.[1];
  return Array.isArray(found) ? found[0] : found;
}
