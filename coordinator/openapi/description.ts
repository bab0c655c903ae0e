import type { z } from 'zod';
import type { Operation } from '../auth/access.ts';
import type { ErrorCode } from '../errors.ts';
import type { AnswerHeader, RequestHeader } from './headers.ts';

/** What comes back when it is no problem. */
export interface Answer {
  /** A JSON answer, or the media type of another one; absent: no body. */
  readonly answer?: z.ZodType | 'text/plain' | 'text/html' | 'text/javascript' | 'text/event-stream' | '*/*';
  /** Of a JSON answer: required. */
  readonly answerExample?: unknown;
  readonly answerHeaders?: readonly AnswerHeader[];
}

/**
 * What an operation takes and answers with. Who may call it stands in `auth/access.ts`; what follows from that, and from
 * having a body or a query, is not said here (`general-errors.ts`). Tests hold every example to the schema it belongs to.
 */
export interface Description extends Answer {
  /** A few words. */
  readonly summary: string;
  /** What the summary leaves open; CommonMark. */
  readonly details?: string;
  /** For each parameter of the path; required. */
  readonly pathExample?: Readonly<Record<string, string>>;
  /** Every field has a description. */
  readonly query?: z.ZodType;
  /** As in the address; as many fields as help. */
  readonly queryExample?: Readonly<Record<string, string>>;
  readonly requestHeaders?: readonly RequestHeader[];
  /** A JSON body, or the media types of another one. */
  readonly body?: z.ZodType | readonly string[];
  /** Of a JSON body: required. */
  readonly bodyExample?: unknown;
  /** Of `multipart/form-data`: the fields before the file. */
  readonly form?: z.ZodType;
  /** Of success. */
  readonly status: number;
  /** Other answers that are no problems, by their status. */
  readonly also?: Readonly<Record<number, Answer & { readonly description: string }>>;
  /** Its own; those of every operation of its kind are added. */
  readonly errors?: readonly ErrorCode[];
}

/** Operations that belong together: a tag of the document. */
export interface Group<Name extends Operation = Operation> {
  readonly tag: string;
  /** CommonMark. */
  readonly description: string;
  readonly operations: Readonly<Record<Name, Description>>;
}

/** Keeps the names, so that the compiler can see that none is left out. */
export function group<Name extends Operation>(group: Group<Name>): Group<Name> {
  return group;
}
