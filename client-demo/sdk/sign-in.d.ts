/** The types of sign-in.js: sign-in at the OpenID provider of the hub. docs/embedding.md explains it. */

export interface SignInSettings {
  issuer: string
  clientId: string
  /** Separated by spaces. */
  scope: string
  /** Which token the hub gets. */
  token: 'access' | 'id'
}

export class SignIn extends EventTarget {
  constructor(settings: SignInSettings)
  /**
   * Completes a sign-in that brought the browser back to this page, and repeats one after a reload.
   * @param hub The address of the hub, with a slash at its end; default: the hub that served the module.
   * @returns Nothing if the hub has no sign-in, or if the page is in a frame. The promise stays open while the browser
   *   leaves for the provider.
   * @throws If the hub does not answer.
   */
  static open(hub?: string | URL): Promise<SignIn | undefined>
  /** The address of this page; while a sign-in brings the browser back, the one that the page had before. */
  static readonly address: URL
  /** Whether this page has a token. It may have ended. */
  readonly isIn: boolean
  /** When the token ends, in milliseconds since 1970; 0 without one. */
  endsAt: number
  /**
   * Why nobody is signed in, or why the sign-in could not be renewed. Empty if nothing is wrong. The event `change`
   * says that it has changed.
   */
  fault: string
  /** Whether only the person can do something about the fault. Otherwise the next renewal may succeed. */
  isOver: boolean
  /**
   * Leaves for the provider, which sends the browser back to this page.
   * @throws If the provider does not answer. The page stays.
   */
  begin(options?: { prompt?: string }): Promise<void>
  /** The token for the hub, renewed in time; for the option `token` of the SDK and of `<deskbell-desk>`. */
  token: () => Promise<string>
}
