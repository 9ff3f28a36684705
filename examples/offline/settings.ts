/** What the visitor can choose. */
export interface Settings {
  /** How many key phrases the report names. */
  readonly phrases: number;
  /** Words of fewer letters are no key phrase. */
  readonly minLetters: number;
  /** Each step takes at least so long, in milliseconds: the work itself is done before anybody could watch it. */
  readonly paceMs: number;
}

export const usualSettings: Settings = { phrases: 8, minLetters: 4, paceMs: 900 };

/** The file as the run takes it in. */
export interface Inputs {
  readonly name: string;
  readonly text: string;
  readonly settings: Settings;
}
