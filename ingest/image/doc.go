// Package image turns scans and photographs into PDF/A-2b (ISO 19005-2).
//
// It adds nothing and loses nothing: JPEG and CCITT data pass through as they
// are, everything else is packed again without loss at its own depth. Each
// image becomes one page whose size follows from its resolution. Colour keeps
// the profile that the image carries; without one it counts as sRGB, the
// output intent of the file. The output is deterministic: same image, same
// bytes.
//
// The sources are hostile. Rows are streamed, so that memory does not grow with
// the page, except where a format must be decoded as a whole, which a limit
// bounds. What is refused is refused with a Fault that names the reason.
package image
