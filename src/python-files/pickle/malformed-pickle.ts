/** Python cannot read the file either, or reads it in another way than any library writes it. */
export class MalformedPickle extends Error {}

export class CutOffPickle extends MalformedPickle {
  constructor() {
    super('it is cut off');
  }
}
