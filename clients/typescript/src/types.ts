import type { components, paths } from "./schema.js";

/** What geogate says when it refuses a request (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

export type Method = "get" | "put" | "post" | "delete";

/** The paths that take a method. */
export type Path<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;

type Content<R> = R extends { content: infer C } ? (C extends { "application/json": infer J } ? J : string) : undefined;

/** What a request returns: JSON as the description types it, other content as text. */
export type Answer<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? { [S in keyof R & (200 | 201 | 202 | 204)]: Content<R[S]> }[keyof R & (200 | 201 | 202 | 204)] : never;

type Optional<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } extends Record<string, never> ? true : false;

type Part<Name extends string, T> = [T] extends [never] ? unknown : Optional<T> extends true ? { [K in Name]?: T } : { [K in Name]: T };

type Parameters<O, In extends string> = O extends { parameters: { [K in In]: infer T } } ? T : O extends { parameters: { [K in In]?: infer T } } ? Exclude<T, undefined> : never;

type JSONBody<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: B }
  : O extends { requestBody?: { content: { "application/json": infer B } } }
    ? { body?: B }
    : unknown;

export interface CommonOptions {
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** Sent as Idempotency-Key; the request is then safe to repeat. */
  idempotencyKey?: string;
  /** The request may be repeated after a failure although it is a POST. GET, PUT and DELETE always may. */
  repeatable?: boolean;
}

/** What a request needs: the parameters of its path and query, and its body. */
export type Options<P extends keyof paths, M extends Method> = CommonOptions &
  Part<"path", Parameters<Operation<P, M>, "path">> &
  Part<"query", Parameters<Operation<P, M>, "query">> &
  JSONBody<Operation<P, M>>;

/** The same as arguments: options may be left out where nothing in them is needed. */
export type OptionsIfNeeded<P extends keyof paths, M extends Method> =
  Record<never, never> extends Options<P, M> ? [options?: Options<P, M>] : [options: Options<P, M>];
