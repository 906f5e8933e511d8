package convert

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

const maxAttachments = 200

var attachmentLine = regexp.MustCompile(`(?m)^(\d+): (.*)$`)

// detach takes the embedded files out of the source, those of annotations as
// well, and returns how many there are. They become files of their own.
func (j *job) detach(ctx context.Context) (int, error) {
	var list bytes.Buffer
	if _, err := j.read(ctx, "pdfdetach", &list, j.src.Path, "-list", "-enc", "UTF-8", j.src.Path); err != nil {
		return 0, err
	}
	var count int
	if _, err := fmt.Sscanf(list.String(), "%d embedded files", &count); err != nil || count == 0 {
		return 0, nil // poppler is silent on PDFs that it can only half read
	}
	names := map[int]string{}
	for _, m := range attachmentLine.FindAllStringSubmatch(list.String(), maxAttachments) {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			names[n] = m[2]
		}
	}
	dir, err := j.folder()
	if err != nil {
		return count, err
	}
	agent := j.poppler(ctx)
	for n := 1; n <= count; n++ {
		if n > maxAttachments {
			j.note(preservation.EventExtract, preservation.Warning, CodeAttachment,
				fmt.Sprintf("Of %d embedded files, only %d were taken out.", count, maxAttachments), agent)
			break
		}
		file := fmt.Sprintf("attachment-%d", n)
		res, err := j.tool(ctx, sandbox.Command{
			Name: "pdfdetach", Dir: dir, Read: []string{j.src.Path}, Limits: rewriteLimits,
			Args: []string{"-save", strconv.Itoa(n), "-o", file, j.src.Path},
		})
		if err != nil {
			return count, err
		}
		p, err := produced(dir, file)
		if err != nil {
			return count, err
		}
		if p == "" || res.ExitCode != 0 {
			j.note(preservation.EventExtract, preservation.Warning, CodeAttachment, fmt.Sprintf("Embedded file %d cannot be taken out.", n), agent)
			continue
		}
		j.outputs = append(j.outputs, Output{
			Path: p, Name: or(names[n], file), Kind: Extracted,
			Events: []preservation.Event{{
				Type: preservation.EventExtract, Outcome: preservation.Success, Agent: agent,
				Detail: fmt.Sprintf("Embedded file %d of the PDF, taken out because the rendition cannot hold it.", n),
			}},
		})
	}
	return count, nil
}
