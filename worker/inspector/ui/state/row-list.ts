import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
  type VirtualizerOptions,
} from "@tanstack/virtual-core";

export interface RowListOptions {
  readonly rowHeight: number;
  /** The offset of the first row below the top of the scrolling element. */
  readonly paddingStart?: number;
  /** Called to draw again when other rows come into view. */
  readonly onChange: () => void;
  readonly onOpen?: (index: number) => void;
}

/** The visible rows of a long list, and the row that the keyboard is on. */
export class RowList {
  /** -1 if there is none. */
  active = -1;
  #count = 0;
  readonly #options: RowListOptions;
  readonly #virtualizer: Virtualizer<HTMLElement, HTMLElement>;
  #element: HTMLElement | null = null;
  #unmount: () => void;

  constructor(options: RowListOptions) {
    this.#options = options;
    this.#virtualizer = new Virtualizer(this.#settings(0));
    this.#unmount = this.#virtualizer._didMount();
  }

  /** For the `ref` directive on the scrolling element. */
  readonly attach = (element?: Element): void => {
    const next = element instanceof HTMLElement ? element : null;
    if (next === this.#element) return;
    this.#element = next;
    if (next === null) {
      this.#unmount();
      this.#unmount = this.#virtualizer._didMount();
    }
    this.#virtualizer._willUpdate();
    this.#options.onChange();
  };

  /** The rows to draw, out of `count`. */
  rows(count: number): readonly VirtualItem[] {
    if (count !== this.#count) {
      this.#count = count;
      this.#virtualizer.setOptions(this.#settings(count));
      this.active = Math.min(this.active, count - 1);
    }
    this.#virtualizer._willUpdate();
    return this.#virtualizer.getVirtualItems();
  }

  get height(): number {
    return this.#virtualizer.getTotalSize();
  }

  /** The height of the scrolled content, in pixels. */
  get width(): number {
    return this.#virtualizer.scrollRect?.width ?? 0;
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
    this.#virtualizer.scrollToIndex(this.active, { align: "auto" });
    this.#options.onChange();
  }

  /** Scrolls the row into view if needed. */
  reveal(index: number): void {
    this.#virtualizer.scrollToIndex(index, { align: "auto" });
  }

  isInView(index: number): boolean {
    const { range } = this.#virtualizer;
    return range !== null && index >= range.startIndex && index <= range.endIndex;
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

  #settings(count: number): VirtualizerOptions<HTMLElement, HTMLElement> {
    const { rowHeight, paddingStart = 0 } = this.#options;
    return {
      count,
      getScrollElement: () => this.#element,
      estimateSize: () => rowHeight,
      paddingStart,
      scrollPaddingStart: paddingStart,
      overscan: 8,
      initialRect: { width: 0, height: 600 },
      observeElementRect,
      observeElementOffset,
      scrollToFn: elementScroll,
      onChange: () => this.#options.onChange(),
    };
  }
}
