// Server-Sent Events, from bytes to what they tell (the HTML standard, 9.2).

import { DarkroomError } from './errors.js';

export interface SentEvent<T> {
  /** `status`, `completed`, `failed` or `review`. */
  name: string;
  /** Where to go on from: `lastEventId`. */
  id: string;
  /** What a poll would be answered. */
  data: T;
}

const LONGEST_LINE = 32 * 1024 * 1024;

/** The events of a stream, as they become whole. */
export async function* eventsOf<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<SentEvent<T>> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let name = '';
  let id = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      rest += decoder.decode(value, { stream: true });
      if (rest.length > LONGEST_LINE) {
        throw new DarkroomError('A line of the stream is too long.');
      }
      // A line ends with CR, LF or both; a CR at the very end may be half of one.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) {
            yield { name: name || 'message', id, data: parsed<T>(data.join('\n')) };
          }
          name = '';
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const told = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') {
          name = told;
        } else if (field === 'data') {
          data.push(told);
        } else if (field === 'id' && !told.includes('\0')) {
          id = told;
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new DarkroomError("The stream is not one of Darkroom's events.", { cause: error });
  }
}
