package aip

import "bestand/preservation"

// Terms of the Library of Congress vocabularies that PREMIS 3.0 recommends.
// A term that is missing here is written without a valueURI.
const vocabulary = "http://id.loc.gov/vocabulary/preservation/"

var eventURI = map[preservation.EventType]string{
	preservation.EventReceive:    vocabulary + "eventType/ins",
	preservation.EventUnpack:     vocabulary + "eventType/unp",
	preservation.EventScan:       vocabulary + "eventType/vir",
	preservation.EventIdentify:   vocabulary + "eventType/for",
	preservation.EventValidate:   vocabulary + "eventType/val",
	preservation.EventConvert:    vocabulary + "eventType/nor",
	preservation.EventExtract:    vocabulary + "eventType/ext",
	preservation.EventSeal:       vocabulary + "eventType/dsg",
	preservation.EventDigest:     vocabulary + "eventType/mes",
	preservation.EventPackage:    vocabulary + "eventType/ipc",
	preservation.EventStore:      vocabulary + "eventType/ine",
	preservation.EventFixity:     vocabulary + "eventType/fix",
	preservation.EventQuarantine: vocabulary + "eventType/qua",
	preservation.EventRelease:    vocabulary + "eventType/unq",
	preservation.EventDelete:     vocabulary + "eventType/del",
	preservation.EventReclassify: vocabulary + "eventType/mem",
}

var outcomeURI = map[preservation.Outcome]string{
	preservation.Success: vocabulary + "eventOutcome/suc",
	preservation.Warning: vocabulary + "eventOutcome/war",
	preservation.Failure: vocabulary + "eventOutcome/fai",
}

var agentURI = map[preservation.AgentType]string{
	preservation.Software: vocabulary + "agentType/sof",
}

// relation is a relationshipType with its relationshipSubType.
type relation struct{ kind, kindURI, sub, subURI string }

var (
	representedBy = relation{"structural", "str", "is represented by", "isr"}
	represents    = relation{"structural", "str", "represents", "rep"}
	includedIn    = relation{"structural", "str", "is included in", "isi"}
	hasSource     = relation{"derivation", "der", "has source", "hss"}
)
