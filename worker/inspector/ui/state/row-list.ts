/** A row to draw, and where it begins below the top of the list, in pixels. */
export interface PlacedRow {
  readonly index: number;
  readonly start: number;
}

export interface RowListOptions {
  readonly rowHeight: number;
  /** The offset of the first row below the top of the scrolling element. */
  readonly paddingStart?: number;
  /** Called to draw again when other rows come into view. */
  readonly onChange: () => void;
  readonly onOpen?: (index: number) => void;
}

/** How many rows are drawn above and below those in view, so that scrolling shows no gap. */
const beyond = 8;

/** The visible rows of a long list, all of one height, and the row that the keyboard is on. */
export class RowList {
  /** -1 if there is none. */
  active = -1;
  #count = 0;
  readonly #options: RowListOptions;
  #element: HTMLElement | null = null;
  #observer: ResizeObserver | undefined;
  // Until the element is there, it is assumed to be that high.
  #view = { top: 0, width: 0, height: 600 };
  #revealed = -1;

  constructor(options: RowListOptions) {
    this.#options = options;
  }

  /** For the `ref` directive on the scrolling element. */
  readonly attach = (element?: Element): void => {
    const next = element instanceof HTMLElement ? element : null;
    if (next === this.#element) return;
    this.#observer?.disconnect();
    this.#element?.removeEventListener("scroll", this.#look);
    this.#element = next;
    if (next !== null) {
      this.#observer ??= new ResizeObserver(this.#look);
      this.#observer.observe(next);
      next.addEventListener("scroll", this.#look, { passive: true });
      this.#view = viewOf(next);
    }
    this.#options.onChange();
  };

  /** The rows to draw, out of `count`. */
  rows(count: number): readonly PlacedRow[] {
    if (count !== this.#count) {
      this.#count = count;
      this.active = Math.min(this.active, count - 1);
    }
    const [first, last] = this.#inView();
    if (last < first) return [];
    const from = Math.max(0, first - beyond);
    const length = Math.min(count - 1, last + beyond) - from + 1;
    return Array.from({ length }, (_, place) => ({ index: from + place, start: this.#startOf(from + place) }));
  }

  /** The height of the scrolled content, in pixels. */
  get height(): number {
    return this.#startOf(this.#count);
  }

  /** The width of the scrolling element, in pixels. */
  get width(): number {
    return this.#view.width;
  }

  /** Keeps the visible rows in place when `count` rows are added above them. */
  shift(rows: number): void {
    if (this.active >= 0) this.active += rows;
    if (this.#element !== null && this.#element.scrollTop > 0)
      this.#element.scrollTop += rows * this.#options.rowHeight;
  }

  activate(index: number): void {
    if (this.#count === 0) return;
    this.active = Math.max(0, Math.min(index, this.#count - 1));
    this.reveal(this.active);
    this.#options.onChange();
  }

  /** Scrolls the row into view if needed, also if it is there only after the next drawing. */
  reveal(index: number): void {
    this.#revealed = index;
    this.#scrollTo(index);
    requestAnimationFrame(() => {
      if (this.#revealed === index) this.#scrollTo(index);
    });
  }

  isInView(index: number): boolean {
    const [first, last] = this.#inView();
    return index >= first && index <= last;
  }

  focus(): void {
    this.#element?.focus();
  }

  /** True if the list handled the key. */
  onKey({ key, shiftKey }: KeyboardEvent): boolean {
    const page = Math.max(1, Math.floor((this.#element?.clientHeight ?? 0) / this.#options.rowHeight) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: this.active + 1,
      j: this.active + 1,
      ArrowUp: this.active - 1,
      k: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.#count - 1,
    };
    const next = moves[key];
    if (next !== undefined && !shiftKey) this.activate(next);
    else if (key === "Enter" && this.active >= 0) this.#options.onOpen?.(this.active);
    else return false;
    return true;
  }

  readonly #look = (): void => {
    if (this.#element === null) return;
    const before = [...this.#inView(), this.#view.width];
    this.#view = viewOf(this.#element);
    const now = [...this.#inView(), this.#view.width];
    if (now.some((value, place) => value !== before[place])) this.#options.onChange();
  };

  /** The first and the last row in view; the last is before the first if there is none. */
  #inView(): readonly [first: number, last: number] {
    const { rowHeight, paddingStart = 0 } = this.#options;
    const { top, height } = this.#view;
    if (height === 0) return [0, -1];
    const first = Math.min(Math.floor((top - paddingStart) / rowHeight), this.#count - 1);
    const last = Math.ceil((top + height - paddingStart) / rowHeight) - 1;
    return [Math.max(0, first), Math.min(last, this.#count - 1)];
  }

  #startOf(index: number): number {
    const { rowHeight, paddingStart = 0 } = this.#options;
    return paddingStart + index * rowHeight;
  }

  #scrollTo(index: number): void {
    const element = this.#element;
    if (element === null) return;
    // What is above the first row stays on top when the list is scrolled, and covers that much.
    const above = this.#startOf(0);
    const end = this.#startOf(index + 1) - element.clientHeight;
    if (element.scrollTop < end) element.scrollTop = end;
    else element.scrollTop = Math.min(element.scrollTop, this.#startOf(index) - above);
  }
}

function viewOf({ scrollTop, clientWidth, clientHeight }: HTMLElement) {
  return { top: scrollTop, width: clientWidth, height: clientHeight };
}
