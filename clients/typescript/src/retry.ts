/** How long to wait before an attempt follows one that failed, in milliseconds. */
export function retryAfter(answer: Response | undefined, attempt: number): number {
  const seconds = Number(answer?.headers.get("Retry-After") ?? NaN);
  // All whom one failure has hit must not come back at once.
  if (Number.isFinite(seconds)) return seconds * 1000 + Math.random() * 500;
  return (0.5 + Math.random()) * Math.min(250 * 2 ** attempt, 15_000);
}

/** Waits, and throws when signal ends it. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
