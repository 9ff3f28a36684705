/** The number of runs that are executed concurrently: one count for all drains of a runtime. */
export class Slots {
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  /** Takes a slot as soon as fewer than `bound` are taken; false if `over` aborts first. */
  async take(bound: number, over: AbortSignal): Promise<boolean> {
    while (this.#taken >= bound && !over.aborted) await this.#change(over);
    if (over.aborted) return false;
    this.#taken++;
    return true;
  }

  free(): void {
    this.#taken--;
    for (const wake of this.#waiting) wake();
  }

  #change(over: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        over.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      over.addEventListener("abort", wake);
    });
  }
}
