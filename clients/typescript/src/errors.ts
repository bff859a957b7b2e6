import type { Problem } from "./types.js";

/** An answer that is not a success. */
export class GeogateError extends Error {
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** What geogate says; undefined when something in between answered. */
    readonly problem: Problem | undefined,
  ) {
    super(problem?.detail ?? problem?.title ?? `geogate answered ${status}`);
    this.name = "GeogateError";
  }

  /** What went wrong, for programs; see the description. */
  get code(): string | undefined {
    return this.problem?.code;
  }
}

/** What geogate says about a failure; undefined when it was not geogate who answered. */
export async function problemOf(answer: Response): Promise<Problem | undefined> {
  try {
    return isJSON(answer) ? ((await answer.json()) as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** Reports whether an answer is JSON, problems included. */
export function isJSON(answer: Response): boolean {
  return /^application\/([\w.-]+\+)?json\b/.test(answer.headers.get("Content-Type") ?? "");
}
